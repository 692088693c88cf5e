import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, connect, type Delivery, type Handle } from '@duobus/core';
import type { FaultOptions } from './fault-options.ts';
import { faultTopic } from './load.ts';
import { type FaultDocument, nowMs, type Sighting, sightingOf } from './sighting.ts';
import { type Stage, subscriber } from './stage.ts';

const handlerMs = [1, 8] as const;

/** Consumers in this process, each with a bus of its own, and what they have seen. */
export class Members implements AsyncDisposable {
  readonly sightings: Sighting[] = [];
  /** When one of them lost its connection or found it again. */
  readonly breaksMs: number[] = [];
  readonly #buses: Bus[] = [];
  readonly #handles: Handle[] = [];

  async join({ broker, setting }: Stage, { prefetch }: FaultOptions): Promise<void> {
    const name = `member-${this.#buses.length + 1}`;
    const bus = await connect(broker.url, {
      source: `/faults/${name}`,
      instrument: {
        event: (event) => {
          if (event.type === 'connection') this.breaksMs.push(nowMs());
        },
      },
    });
    this.#buses.push(bus);
    const [least, most] = handlerMs;
    const handler = async (document: FaultDocument, delivery: Delivery): Promise<void> => {
      const sighting = sightingOf(document, delivery, name);
      this.sightings.push(sighting);
      await sleep(least + Math.random() * (most - least));
      sighting.endedMs = nowMs();
    };
    const topic = faultTopic(setting);
    const handle =
      setting.kind === 'event'
        ? await bus.events.subscribe(topic, subscriber, handler, { prefetch })
        : await bus.data.subscribe(topic, subscriber, handler, { prefetch });
    this.#handles.push(handle);
  }

  get reconnects(): readonly number[] {
    return this.#handles.map((handle) => handle.stats().reconnects);
  }

  /** For messages. */
  get states(): readonly string[] {
    return this.#handles.map((handle) => `${handle.state} ${JSON.stringify(handle.stats())}`);
  }

  async healthy(): Promise<number> {
    const healths = await Promise.all(this.#buses.map((bus) => bus.health()));
    return healths.filter(({ ok }) => ok).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#buses.map((bus) => bus.close()));
  }
}

export function countByCause(sightings: readonly Sighting[]): string {
  const counts = new Map<string, number>();
  for (const { cause } of sightings) counts.set(cause, (counts.get(cause) ?? 0) + 1);
  const text = [...counts].map(([cause, n]) => `${n} ${cause}`).join(', ');
  return text === '' ? 'none' : text;
}
