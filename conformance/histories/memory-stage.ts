import type { Adapter } from '@duobus/core';
import type { Clock } from '@duobus/core/driver';
import { type ManualClock, manualClock } from '@duobus/core/testing';
import { busOptions } from '../src/harness.ts';
import { limited } from '../src/limited.ts';
import { inProcess } from '../src/severable.ts';
import { runName, type Stage } from './stage.ts';

interface MemoryModule {
  readonly MemoryBroker: new (
    name: string,
    options: { readonly clock: Clock; readonly groupLeaseMs: number },
  ) => { restart(): void };
  memory(broker: object): Adapter;
}

// Not an import: the memory adapter is tested by this package, so this package cannot depend on it.
const memoryName: string = '@duobus/memory';
const limitMs = 60_000;
// What is waited for in vain costs time, in one process nothing takes longer than this part of what it may take.
const slow = 0.2;
// Who dies while it leaves is missed only when this is over.
const groupLeaseMs = 2_000;

/** A broker of its own for every history, whose time is as fast as the machine. `begin` may break the adapter. */
export async function memoryStage(
  begin: () => (adapter: Adapter) => Adapter = () => (adapter) => adapter,
): Promise<Stage> {
  const { MemoryBroker, memory } = (await import(memoryName)) as MemoryModule;
  const run = runName();
  let serial = 0;
  return {
    name: 'memory',
    concurrency: 1,
    async set(play) {
      const clock = manualClock();
      const broker = new MemoryBroker('histories', { clock, groupLeaseMs });
      const change = begin();
      const harness = {
        name: 'memory',
        clock,
        slow,
        ...inProcess(() => change(memory(broker))),
        faults: { restart: async () => broker.restart() },
      };
      serial += 1;
      const time = new PassingTime(clock);
      try {
        return await limited(
          async () => {
            await using shared = await harness.connect(busOptions(harness));
            return await play({ harness, shared, run, serial });
          },
          limitMs,
          () => new Error(`the history did not end within ${limitMs} ms`),
        );
      } finally {
        await time.stop();
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Goes on to the next thing that is due whenever nothing else is left to do. */
class PassingTime {
  readonly #clock: ManualClock;
  readonly #end: Promise<void>;
  #over = false;

  constructor(clock: ManualClock) {
    this.#clock = clock;
    this.#end = this.#pass();
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#end;
  }

  async #pass(): Promise<void> {
    while (!this.#over) {
      const { next } = this.#clock;
      if (next === undefined) await this.#clock.settle();
      else await this.#clock.advance(next - this.#clock.now());
    }
  }
}
