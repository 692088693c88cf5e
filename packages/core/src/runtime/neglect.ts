import type { QueueDriver, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import type { Health } from '../handle.ts';
import type { Context } from './context.ts';
import type { Half } from './half.ts';

const longestPauseMs = 900_000;

interface Sighting {
  readonly topic: string;
  readonly name: string;
  /** Since when every look has found no consumer. */
  readonly since: number;
  told: boolean;
}

/**
 * Looks now and then for subscriptions that nobody consumes (design: E9), of the topics this process uses. No broker
 * keeps since when that is so: what has no consumer at every look for long enough is neglected.
 */
export class Neglect {
  readonly #context: Context;
  readonly #half: Half<QueueDriver>;
  readonly #afterMs: number;
  readonly #pauseMs: number;
  #sightings = new Map<string, Sighting>();

  constructor(context: Context, half: Half<QueueDriver>) {
    const { neglectedAfterMs = 3_600_000 } = context.options;
    this.#context = context;
    this.#half = half;
    this.#afterMs = neglectedAfterMs;
    this.#pauseMs = Math.min(longestPauseMs, Math.ceil(neglectedAfterMs / 4));
  }

  get neglected(): Health['neglected'] {
    const now = this.#context.now();
    return [...this.#sightings.values()]
      .filter((sighting) => this.#isNeglected(sighting, now))
      .map(({ topic, name, since }) => ({ topic, name, forMs: now - since }));
  }

  watch(): void {
    if (!this.#half.driver.capabilities.countsConsumers) return;
    this.#context.timers.after(this.#pauseMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    const seen = new Map<string, Sighting>();
    for (const topic of this.#half.topics.used) {
      try {
        await this.#lookAt(topic, seen);
      } catch (error) {
        // What cannot be asked now is as it was.
        for (const [key, sighting] of this.#sightings)
          if (sighting.topic === topic.name) seen.set(key, sighting);
        this.#half.link.failed(error);
      }
    }
    this.#sightings = seen;
    this.#tell();
    this.watch();
  }

  async #lookAt(topic: StoredTopic, seen: Map<string, Sighting>): Promise<void> {
    const { link, driver } = this.#half;
    for (const name of await link.request((signal) => driver.names(topic, signal))) {
      if ((await this.#consumers(topic, name)) !== 0) continue;
      const key = `${topic.incarnation} ${name}`;
      const since = this.#context.now();
      seen.set(key, this.#sightings.get(key) ?? { topic: topic.name, name, since, told: false });
    }
  }

  /** `undefined` where it has been removed meanwhile. */
  async #consumers(topic: StoredTopic, name: string): Promise<number | undefined> {
    const { link, driver } = this.#half;
    try {
      const counts = await link.request((signal) => driver.inspect(topic, name, signal));
      return counts.consumers;
    } catch (error) {
      if (BusError.is(error, 'DUOBUS_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  #tell(): void {
    const now = this.#context.now();
    for (const sighting of this.#sightings.values()) {
      if (sighting.told || !this.#isNeglected(sighting, now)) continue;
      sighting.told = true;
      const { topic, name, since } = sighting;
      this.#context.event({ type: 'neglected', topic, name, forMs: now - since });
    }
  }

  #isNeglected({ since }: Sighting, now: number): boolean {
    return now - since >= this.#afterMs;
  }
}
