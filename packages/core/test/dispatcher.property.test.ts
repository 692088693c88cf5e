import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { reject } from '../src/delivery.ts';
import { Dispatcher, type Runner } from '../src/runtime/dispatcher.ts';
import type { Item, Lease, Part } from '../src/runtime/item.ts';
import type { ManualClock } from '../src/testing/manual-clock.ts';
import { consumeOf, contextOf, idOf, itemOf, ScriptedSource } from './support/scripted-source.ts';

type Run = { readonly outcome: 'ok' | 'fail' | 'reject' | 'sync' | 'hang'; readonly ms: number };

const plan = fc.record({
  key: fc.constantFrom('a', 'b', 'c', undefined),
  suspect: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  runs: fc.array(
    fc.record({
      outcome: fc.constantFrom('ok', 'ok', 'fail', 'reject', 'sync', 'hang') as fc.Arbitrary<
        Run['outcome']
      >,
      ms: fc.nat(40),
    }),
    { minLength: 3, maxLength: 3 },
  ),
});
const scenario = fc.record({
  plans: fc.array(plan, { minLength: 1, maxLength: 40 }),
  concurrency: fc.integer({ min: 1, max: 5 }),
  batch: fc.option(fc.integer({ min: 1, max: 8 })),
  ordered: fc.boolean(),
  chunk: fc.integer({ min: 1, max: 15 }),
  losses: fc.array(fc.nat(400), { maxLength: 3 }),
  pauses: fc.array(fc.nat(300), { maxLength: 2 }),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

const timeoutMs = 60;

/** A partition of a broker: what is not settled comes again, in order, when the lease has ended. */
class World {
  readonly clock: ManualClock;
  readonly source: ScriptedSource;
  readonly dispatcher: Dispatcher;
  readonly part: Part;
  readonly #scenario: Scenario;
  readonly #runsOf = new Map<string, number>();
  readonly #running = new Map<string, number>();
  readonly violations: string[] = [];
  lease: Lease = { alive: true, epoch: 0 };

  constructor(of: Scenario) {
    const { context, clock } = contextOf();
    this.clock = clock;
    this.#scenario = of;
    this.source = new ScriptedSource(of.ordered);
    const consume = consumeOf({
      concurrency: of.concurrency,
      maxAttempts: 3,
      handlerTimeoutMs: timeoutMs,
      backoff: { firstMs: 10, maxMs: 30 },
      brakeAfter: 1_000,
    });
    this.dispatcher = new Dispatcher(context, consume, this.#runner(), {
      onIdle: () => undefined,
      onTurn: () => undefined,
      onBrake: () => undefined,
    });
    this.part = this.dispatcher.part(this.source, 0);
  }

  get unsettled(): readonly number[] {
    const over = new Set(
      this.source.settled.filter(({ verdict }) => verdict !== 'again').map(({ id }) => id),
    );
    return this.#scenario.plans.flatMap((_, n) => (over.has(String(n)) ? [] : [n]));
  }

  deliver(numbers: readonly number[], again: boolean): void {
    const { chunk } = this.#scenario;
    for (let at = 0; at < numbers.length; at += chunk) {
      this.dispatcher.add(
        this.part,
        numbers.slice(at, at + chunk).map((n) => this.#item(n, again)),
      );
    }
  }

  loseLease(): void {
    this.lease.alive = false;
    this.dispatcher.withdraw(this.part);
    this.lease = { alive: true, epoch: 0 };
    this.deliver(this.unsettled, true);
  }

  #item(n: number, again: boolean): Item {
    const { key, suspect } = this.#scenario.plans[n] as Scenario['plans'][number];
    return itemOf(this.part, {
      id: String(n),
      key: this.#scenario.ordered ? key : undefined,
      lease: this.lease,
      now: this.clock.now(),
      suspect: suspect && again,
    });
  }

  #runner(): Runner {
    const { batch } = this.#scenario;
    const one = (item: Item): unknown => this.#run(item, false);
    if (batch === null) return { one };
    return {
      one,
      batch: {
        size: batch,
        waitMs: 5,
        run: async (items) => {
          const together = new Set<number>();
          for (const item of items) {
            if (item.lane !== undefined) this.#checkLane(item.lane, Number(idOf(item)), together);
            together.add(Number(idOf(item)));
          }
          return Promise.all(
            items.map(async (item) => {
              try {
                await this.#run(item, true);
                return { outcome: 'done' as const };
              } catch (error) {
                return { outcome: 'failed' as const, error };
              }
            }),
          );
        },
      },
    };
  }

  #run(item: Item, inBatch: boolean): unknown {
    const id = idOf(item);
    const n = Number(id);
    if (item.lane !== undefined && !inBatch) this.#checkLane(item.lane, n);
    const run = this.#runsOf.get(id) ?? 0;
    this.#runsOf.set(id, run + 1);
    const { outcome, ms } = this.#scenario.plans[n]?.runs[run] ?? { outcome: 'ok', ms: 1 };
    if (outcome === 'sync') return undefined;
    const lane = item.lane ?? `only ${id}`;
    this.#running.set(lane, (this.#running.get(lane) ?? 0) + 1);
    return new Promise<void>((resolve, rejectRun) => {
      const leave = (): void => {
        this.#running.set(lane, (this.#running.get(lane) ?? 0) - 1);
      };
      const end = (): void => {
        if (outcome === 'reject') rejectRun(reject('not wanted'));
        else if (outcome === 'fail') rejectRun(new Error('failed'));
        else resolve();
      };
      // One that hangs is over for the dispatcher when its time is up, and settles much later.
      this.clock.after(outcome === 'hang' ? timeoutMs - 1 : ms, leave);
      this.clock.after(outcome === 'hang' ? timeoutMs * 2 : ms, end);
    });
  }

  #checkLane(lane: string, n: number, together: ReadonlySet<number> = new Set()): void {
    if ((this.#running.get(lane) ?? 0) > 0)
      this.violations.push(`${n} runs while another of lane ${lane} does`);
    const before = this.unsettled.find(
      (other) => other < n && !together.has(other) && this.#scenario.plans[other]?.key === lane,
    );
    if (before !== undefined)
      this.violations.push(`${n} runs before ${before} of its lane ${lane} is settled`);
  }
}

async function play(of: Scenario): Promise<World> {
  const world = new World(of);
  world.deliver(
    of.plans.map((_, n) => n),
    false,
  );
  const events = [
    ...of.losses.map((at) => ({ at, do: () => world.loseLease() })),
    ...of.pauses.flatMap((at) => [
      { at, do: () => world.dispatcher.pause() },
      { at: at + 30, do: () => world.dispatcher.resume() },
    ]),
  ].toSorted((a, b) => a.at - b.at);
  for (const event of events) {
    await world.clock.advance(Math.max(0, event.at - world.clock.now()));
    event.do();
  }
  world.dispatcher.resume();
  for (let n = 0; n < 400 && (world.unsettled.length > 0 || world.dispatcher.hasWork); n += 1) {
    // Without order what is to be retried is the broker's: it comes again.
    const waiting = world.source.settled.splice(0).filter(({ verdict, id }) => {
      if (verdict === 'again') world.deliver([Number(id)], false);
      return verdict !== 'again';
    });
    world.source.settled.unshift(...waiting);
    await world.clock.advance(25);
  }
  return world;
}

function checkEnd(world: World): void {
  assert.deepEqual(world.violations, []);
  assert.deepEqual(world.unsettled, [], 'lost');
  assert.equal(world.dispatcher.running, 0);
  const { waiting, ready, held, busy, lanes, loose, fifo, stash } = world.part;
  assert.deepEqual(
    [waiting, ready, held, busy, lanes.size, loose.size, fifo.size, stash.length],
    [0, 0, 0, 0, 0, 0, 0, 0],
  );
}

describe('dispatcher, whatever handlers and brokers do', () => {
  it('loses nothing, keeps lanes in order, one at a time, and ends with nothing in hand', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (of) => {
        checkEnd(await play({ ...of, losses: of.ordered ? of.losses : [] }));
      }),
      { numRuns: 300 },
    );
  });

  it('settles each document once while its lease lasts', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (of) => {
        const world = await play({ ...of, losses: [] });
        const ids = world.source.settled.map(({ id }) => id);
        assert.equal(new Set(ids).size, ids.length, ids.join(' '));
      }),
      { numRuns: 40 },
    );
  });
});
