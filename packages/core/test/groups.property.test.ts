import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { manualClock } from '../src/testing/manual-clock.ts';
import { ModelCells } from './support/model-cells.ts';
import { leaseMs } from './support/model-groups.ts';
import { epochOf, ModelProcess } from './support/model-process.ts';

type Step =
  | {
      readonly do: 'join' | 'leave' | 'kill' | 'freeze' | 'thaw' | 'edit' | 'kill-editor';
      readonly who: number;
    }
  | { readonly do: 'wait'; readonly ms: number };

const who = fc.nat(5);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('join' as const), who }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'leave' as const,
        'kill' as const,
        'freeze' as const,
        'thaw' as const,
        'edit' as const,
        'kill-editor' as const,
      ),
      who,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.integer({ min: 1, max: 6_000 }),
    }),
  },
);

const scenario = fc.record({
  seed: fc.integer(),
  partitions: fc.integer({ min: 1, max: 7 }),
  delayMs: fc.constantFrom(0, 20, 400),
  fails: fc.constantFrom(0, 0.1),
  silent: fc.constantFrom(0, 0.1),
  deaf: fc.constantFrom(0, 0.5, 1),
  steps: fc.array(step, { minLength: 3, maxLength: 25 }),
});

type Scenario = typeof scenario extends fc.Arbitrary<infer S> ? S : never;

/** mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Plays a scenario, lets the weather calm down, and says what is wrong. */
async function play(of: Scenario): Promise<readonly string[]> {
  const clock = manualClock(1_000_000);
  const random = randomOf(of.seed);
  const cells = new ModelCells(clock, random);
  const processes: ModelProcess[] = [];
  let serial = 0;
  const spawn = (): ModelProcess => {
    serial += 1;
    return new ModelProcess(`p${serial}`, clock, cells, () => of.partitions, random);
  };
  Object.assign(cells.weather, {
    delayMs: of.delayMs,
    fails: of.fails,
    silent: of.silent,
    deaf: of.deaf,
  });
  for (const one of of.steps) {
    if (one.do === 'wait') {
      await clock.advance(one.ms);
      continue;
    }
    const process = processes[one.who % Math.max(1, processes.length)];
    if (one.do === 'join') processes.push(spawn());
    else if (one.do === 'edit') void editThenLeave(spawn());
    else if (one.do === 'kill-editor') {
      const doomed = spawn();
      void doomed.edit();
      await clock.advance(Math.floor(random() * 300));
      doomed.kill();
    } else if (process === undefined || process.over) continue;
    else if (one.do === 'leave') void process.leave();
    else if (one.do === 'kill') process.kill();
    else if (one.do === 'freeze') process.freeze();
    else process.thaw();
  }
  for (const process of processes) process.thaw();
  processes.push(spawn());
  Object.assign(cells.weather, { delayMs: 0, fails: 0, silent: 0 });
  // Whoever is dead by now is dead for all after a lease, and a quarter of it later everybody has looked; an edit of a
  // dead process may stand before the next, for a lease each.
  const queued = of.steps.filter((one) => one.do === 'kill-editor').length;
  await clock.advance(leaseMs * (3 + 1.5 * queued));
  const wrong = [...processes.flatMap(({ wrong: all }) => all), ...judge(cells, of.partitions)];
  wrong.push(...judgeShares(processes, of.partitions));
  for (const process of processes) if (!process.over) void process.leave();
  await clock.advance(leaseMs * 2);
  return wrong;
}

async function editThenLeave(process: ModelProcess): Promise<void> {
  await process.edit();
  await process.leave();
}

/** Nobody writes a partition that somebody else has taken over, epochs never go back, and edits touch all or none. */
function judge(cells: ModelCells, partitions: number): readonly string[] {
  const wrong: string[] = [];
  const last = new Map<string, { owner: string; token: number; epoch: number }>();
  for (const { key, value } of cells.history) {
    if (!key.startsWith('partition/') || value === undefined) continue;
    const {
      o = '',
      t,
      p,
    } = JSON.parse(value) as { o?: string; t: number; p?: [number, number, string] };
    const now = { owner: o, token: t, epoch: epochOf(p?.[2] ?? '0:0') };
    const before = last.get(key) ?? { owner: '', token: 0, epoch: 0 };
    const taken = now.token > before.token;
    if (now.token < before.token) wrong.push(`${key}: token ${now.token} after ${before.token}`);
    if (!taken && now.owner !== before.owner && now.owner !== '')
      wrong.push(`${key}: ${now.owner} writes under the token of ${before.owner}`);
    if (!taken && before.owner === '') wrong.push(`${key}: written although nobody owned it`);
    if (now.epoch < before.epoch) wrong.push(`${key}: epoch ${now.epoch} after ${before.epoch}`);
    last.set(key, now);
  }
  const epochs = new Set(
    Array.from({ length: partitions }, (_, at) => last.get(`partition/${at}`)?.epoch ?? 0),
  );
  if (epochs.size > 1)
    wrong.push(`an edit has reached some partitions only: epochs ${[...epochs].join()}`);
  return wrong;
}

/** Everybody who lives has a fair share, and every partition has one owner. */
function judgeShares(processes: readonly ModelProcess[], partitions: number): readonly string[] {
  const wrong: string[] = [];
  const living = processes.filter(({ over }) => !over);
  const owned = living.flatMap((process) => [...process.owned.keys()]);
  if (
    owned.toSorted((a, b) => a - b).join() !==
    Array.from({ length: partitions }, (_, at) => at).join()
  )
    wrong.push(`owned are ${owned.join()} of ${partitions}`);
  const shares = living.map((process) => process.owned.size);
  if (Math.max(...shares) - Math.min(...shares) > 1) wrong.push(`shares are ${shares.join()}`);
  return wrong;
}

describe('groups over cells, in any weather', () => {
  it('has one owner for each partition, fair shares, and edits that reach all partitions or none', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (of) => {
        assert.deepEqual(await play(of), []);
      }),
      { numRuns: 150 },
    );
  });
});
