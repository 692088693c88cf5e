import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  causeless,
  disorder,
  lost,
  repeats,
  repeatsApartFrom,
  standstills,
  unexplainedRepeats,
} from '../faults/predicates.ts';
import type { Life, Published, Sighting } from '../faults/sighting.ts';

const stored = (seq: number): Published => ({ id: `k-${seq}`, key: 'k', seq, status: 'stored' });

function sight(seq: number, beganMs: number, more: Partial<Sighting> = {}): Sighting {
  return {
    process: 'a',
    id: `k-${seq}`,
    key: 'k',
    seq,
    partition: 0,
    position: undefined,
    epoch: 0,
    attempt: 1,
    cause: 'first',
    redelivered: false,
    beganMs,
    endedMs: beganMs + 5,
    ...more,
  };
}

const again = { process: 'b', cause: 'takeover', redelivered: true } as const;
const published = [stored(0), stored(1), stored(2)];
const clean = [sight(0, 0), sight(1, 10), sight(2, 20)];
const killedAt = (endMs: number): readonly Life[] => [{ process: 'a', endMs, how: 'killed' }];

describe('lost', () => {
  it('finds nothing where everything stored was handled', () => {
    assert.deepEqual(lost(published, clean), []);
    assert.deepEqual(lost([{ ...stored(9), status: 'unknown' }], []), []);
  });
  it('finds what was never handed out, and what was begun and never ended', () => {
    const history = [sight(0, 0), sight(1, 10, { endedMs: undefined })];
    assert.deepEqual(
      lost(published, history).map(({ id }) => id),
      ['k-1', 'k-2'],
    );
  });
});

describe('causeless', () => {
  it('finds nothing in a history without repeats, nor in one whose repeats say so', () => {
    assert.deepEqual(causeless(clean), []);
    assert.deepEqual(causeless([...clean, sight(2, 40, again)]), []);
  });
  it('finds a repeat that says it is the first', () => {
    assert.equal(causeless([...clean, sight(2, 40)]).length, 1);
    assert.equal(causeless([...clean, sight(2, 40, { ...again, redelivered: false })]).length, 1);
  });
});

describe('disorder', () => {
  it('finds nothing where every document waits for those before it', () => {
    assert.deepEqual(disorder(published, clean, []), []);
  });
  it('allows a new process to go back to what its predecessor had not settled', () => {
    const history = [sight(0, 0), sight(1, 10, { endedMs: undefined })];
    const rest = [sight(0, 40, again), sight(1, 50, again), sight(2, 60, { process: 'b' })];
    assert.deepEqual(disorder(published, [...history, ...rest], killedAt(12)), []);
  });
  it('finds a document that began before one stored earlier', () => {
    assert.equal(disorder(published, [sight(0, 0), sight(2, 10), sight(1, 20)], []).length, 2);
  });
  it('finds a document that was never handled although a later one was', () => {
    assert.equal(disorder(published, [sight(0, 0), sight(2, 10)], []).length, 1);
  });
  it('finds two of a key at once, and not where the first has died', () => {
    const history = [sight(0, 0, { endedMs: 100 }), sight(0, 50, again)];
    assert.equal(disorder([stored(0)], history, []).length, 1);
    const open = [sight(0, 0, { endedMs: undefined }), sight(0, 50, again)];
    assert.deepEqual(disorder([stored(0)], open, killedAt(40)), []);
  });
  it('finds a process that goes back by itself, and not after its connection was lost', () => {
    const history = [...clean, sight(1, 30, { cause: 'takeover', redelivered: true })];
    assert.equal(disorder(published, history, []).length, 1);
    assert.deepEqual(disorder(published, history, [], [28]), []);
  });
});

describe('repeatsApartFrom', () => {
  const kill = { fromMs: 1_000, toMs: 2_000 };
  it('allows what was under way when a node was killed, or handled shortly before', () => {
    const open = [sight(0, 900, { endedMs: undefined }), sight(0, 1_500, again)];
    const lately = [sight(1, 700), sight(1, 1_500, again)];
    const meanwhile = [sight(2, 1_900), sight(2, 5_000, again)];
    assert.deepEqual(repeatsApartFrom([...open, ...lately, ...meanwhile], [kill], 500), []);
  });
  it('finds what was handled long before it, and what came again in calm times', () => {
    const long = [sight(0, 100), sight(0, 1_500, again)];
    const calm = [sight(1, 2_500), sight(1, 2_600, again)];
    const found = repeatsApartFrom([...long, ...calm], [kill], 500);
    assert.deepEqual(
      found.map(({ id }) => id),
      ['k-0', 'k-1'],
    );
  });
});

describe('unexplainedRepeats', () => {
  it('allows what the dead process had in its hands or had handled since the last write', () => {
    const open = [sight(0, 0, { endedMs: undefined }), sight(0, 900, again)];
    assert.deepEqual(unexplainedRepeats(open, killedAt(500), 1_000), []);
    const handled = [sight(0, 0), sight(0, 900, again)];
    assert.deepEqual(unexplainedRepeats(handled, killedAt(500), 1_000), []);
  });
  it('finds what was handled long before the death', () => {
    const history = [sight(0, 0), sight(0, 9_000, again)];
    assert.equal(unexplainedRepeats(history, killedAt(5_000), 1_000).length, 1);
  });
  it('finds a repeat after a process that left cleanly, or lives', () => {
    const history = [sight(0, 0), sight(0, 900, again)];
    assert.equal(unexplainedRepeats(history, [], 1_000).length, 1);
    const left: Life = { process: 'a', endMs: 500, how: 'left' };
    assert.equal(unexplainedRepeats(history, [left], 1_000).length, 1);
  });
});

describe('repeats and standstills', () => {
  it('counts every sight after the first', () => {
    assert.equal(repeats([...clean, sight(0, 40, again), sight(0, 50, again)]).length, 2);
  });
  it('measures from the beginning to the end, per partition, in the order of time', () => {
    assert.deepEqual(standstills(clean, 2, 0, 1_000, 100), [
      { partition: 1, fromMs: 0, ms: 1_000 },
      { partition: 0, fromMs: 20, ms: 980 },
    ]);
    assert.deepEqual(standstills(clean, 1, 0, 30, 100), []);
  });
});
