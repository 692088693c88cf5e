import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Outcome, OutboundRecord } from '../src/driver.ts';
import { BusError } from '../src/errors.ts';
import type { Link } from '../src/runtime/link.ts';
import { Publisher } from '../src/runtime/publisher.ts';
import type { ManualClock } from '../src/testing/manual-clock.ts';
import { contextOf, storedTopic } from './support/scripted-source.ts';

const verdict = fc.constantFrom('stored', 'stored', 'stored', 'later', 'never', 'unknown');
type Verdict = typeof verdict extends fc.Arbitrary<infer T> ? T : never;

const scenario = fc.record({
  keys: fc.array(fc.constantFrom('a', 'b', 'c', undefined), { minLength: 1, maxLength: 60 }),
  gaps: fc.array(fc.nat(3), { minLength: 1, maxLength: 10 }),
  calls: fc.integer({ min: 1, max: 6 }),
  maxRecords: fc.integer({ min: 1, max: 8 }),
  dedup: fc.boolean(),
  answers: fc.array(
    fc.record({
      ms: fc.nat(30),
      throws: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
      verdicts: fc.array(verdict, { minLength: 8, maxLength: 8 }),
    }),
    { maxLength: 40 },
  ),
  ordered: fc.boolean(),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

const timeoutMs = 2_000;

function errorFor(kind: Verdict): BusError {
  return kind === 'never'
    ? new BusError('DUOBUS_TOO_LARGE', 'refused')
    : new BusError('DUOBUS_REJECTED', 'try again', { retryable: true });
}

/** A broker that stores what it is told to, and never stores two calls of one array if it can tell. */
class Broker {
  readonly stored: number[] = [];
  readonly unsure = new Set<number>();
  underWay = 0;
  readonly #scenario: Scenario;
  readonly #clock: ManualClock;
  readonly #seen = new WeakSet<readonly OutboundRecord[]>();
  #calls = 0;

  constructor(of: Scenario, clock: ManualClock) {
    this.#scenario = of;
    this.#clock = clock;
  }

  /** What happens is decided in the order of the calls, as brokers do; answers come when they come. */
  async send(records: readonly OutboundRecord[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const answer = this.#scenario.answers[this.#calls];
    this.#calls += 1;
    this.underWay += 1;
    assert.ok(this.underWay <= this.#scenario.calls, 'too many calls at once');
    assert.ok(records.length <= this.#scenario.maxRecords, 'too many records in a call');
    const outcomes = records.map((record, at): Outcome => {
      const n = Number(record.headers['n']);
      const told = answer?.verdicts[at] ?? 'stored';
      if (told === 'stored') {
        this.stored.push(n);
        return { status: 'stored' };
      }
      if (told === 'unknown') {
        if (this.#scenario.dedup && n % 2 === 0 && !this.#seen.has(records)) this.stored.push(n);
        this.unsure.add(n);
      }
      return { status: told === 'unknown' ? 'unknown' : 'rejected', error: errorFor(told) };
    });
    this.#seen.add(records);
    await new Promise<void>((resolve) => {
      this.#clock.after(answer?.ms ?? 1, resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.underWay -= 1;
    if (answer !== undefined && answer.throws) {
      for (const { headers } of records) this.unsure.add(Number(headers['n']));
      throw new BusError('DUOBUS_UNAVAILABLE', 'lost', { retryable: true });
    }
    return outcomes;
  }
}

interface Played {
  readonly broker: Broker;
  readonly results: readonly ('stored' | 'rejected' | 'unknown')[];
}

async function play(of: Scenario): Promise<Played> {
  const { context, clock } = contextOf({ publishTimeoutMs: timeoutMs });
  const broker = new Broker(of, clock);
  const link = {
    ready: () => Promise.resolve(),
    failed: () => undefined,
    lastError: undefined,
  } as unknown as Link;
  const { calls, maxRecords, dedup } = of;
  const publisher = new Publisher(context, link, {
    publish: { calls, maxRecords, maxBytes: 1_000_000, dedup },
    send: (_topic, _partition, records, signal) => broker.send(records, signal),
  });
  const topic = storedTopic({ order: of.ordered ? 'key' : 'none' });
  const results: ('stored' | 'rejected' | 'unknown' | undefined)[] = of.keys.map(() => undefined);
  for (const [n, key] of of.keys.entries()) {
    const record = { key, headers: { n: String(n) }, body: new Uint8Array(1) };
    publisher.publish(topic, 0, record, 10, publisher.deadline(), undefined).then(
      () => (results[n] = 'stored'),
      (error: unknown) => (results[n] = (error as BusError).outcome ?? 'unknown'),
    );
    const gap = of.gaps[n % of.gaps.length] ?? 0;
    if (gap > 0) await clock.advance(gap);
  }
  await clock.advance(timeoutMs + 20_000);
  const settled = results.filter((result) => result !== undefined);
  assert.equal(settled.length, of.keys.length, 'a publish has never settled');
  assert.ok(publisher.hasRoom, 'the buffer is not empty');
  return { broker, results: settled };
}

describe('publishing to one partition, whatever the broker answers', () => {
  it('settles every document, truthfully', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (of) => {
        const { broker, results } = await play(of);
        for (const [n, result] of results.entries()) {
          const stored = broker.stored.includes(n);
          if (result === 'stored') assert.ok(stored, `${n} is said to be stored and is not`);
          if (result === 'rejected')
            assert.ok(!stored, `${n} is said to be rejected and is stored`);
          // An array that is repeated is unknown as a whole until it is done.
          if (result === 'unknown' && !of.dedup)
            assert.ok(broker.unsure.has(n), `${n} need not be unknown`);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('stores no document twice by its own doing', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (of) => {
        const { broker } = await play({ ...of, dedup: false });
        assert.equal(new Set(broker.stored).size, broker.stored.length);
      }),
      { numRuns: 100 },
    );
  });

  it('keeps the order of the calls for every key', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (given) => {
        const of = { ...given, ordered: true, dedup: false };
        const { broker, results } = await play(of);
        for (const key of ['a', 'b', 'c']) {
          const stored = broker.stored.filter((n) => of.keys[n] === key && results[n] === 'stored');
          assert.deepEqual(
            stored,
            stored.toSorted((a, b) => a - b),
          );
        }
      }),
      { numRuns: 150 },
    );
  });
});
