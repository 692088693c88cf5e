import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Ledger } from '../src/ledger.ts';
import { decodeRuns, encodeRuns } from '../src/runs.ts';

/** Repeatable: the seed is printed with a failure. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const seeds = Array.from({ length: 200 }, () => Math.floor(Math.random() * 2 ** 31));

describe('the ledger of a partition', () => {
  it('says the same of every record after it was written and read, whatever has happened', () => {
    for (const seed of seeds) {
      const random = randomOf(seed);
      const start = random(2) === 0 ? random(1_000) : 2 ** 40 + random(1_000);
      const ledger = new Ledger(start, '');
      const open = new Set<number>();
      const states = new Map<number, string>();
      let high = start;
      for (let step = 0; step < 300; step += 1) {
        const some = [...open][random(Math.max(1, open.size))];
        const what = random(4);
        if (what === 0 || some === undefined) {
          high += random(5) === 0 ? random(100) : 0; // the log has gaps
          ledger.handedOut(high);
          open.add(high);
          high += 1;
        } else if (what === 1) {
          ledger.note(some, `state-${random(3)}`);
          states.set(some, ledger.state(some) as string);
        } else {
          ledger.settled(some);
          open.delete(some);
          states.delete(some);
        }
      }
      const read = new Ledger(ledger.next, ledger.text(7));
      const context = `seed ${seed}`;
      assert.equal(ledger.next, Math.min(...open, high), context);
      assert.equal(read.next, ledger.next, context);
      assert.equal(read.high, high, context);
      assert.equal(read.heldBefore, 7, context);
      assert.equal(read.open, open.size, context);
      for (let offset = ledger.next; offset < high + 3; offset += 1) {
        assert.equal(read.holds(offset), open.has(offset) || offset >= high, context);
        assert.equal(read.state(offset), states.get(offset), context);
      }
    }
  });

  it('stays within what Kafka keeps, with as many open records as a member may hold', () => {
    const ledger = new Ledger(0, '');
    for (let offset = 0; offset < 1_000_000; offset += 1) ledger.handedOut(offset);
    const random = randomOf(1);
    const kept = new Set(Array.from({ length: 300 }, () => random(1_000_000)));
    for (let offset = 0; offset < 1_000_000; offset += 1)
      if (!kept.has(offset)) ledger.settled(offset);
    for (const offset of kept) ledger.note(offset, `{"v":1,"f":${random(8)},"x":0,"c":"retry"}`);
    assert.ok(ledger.text(300).length < 4_096, `${ledger.text(300).length} characters`);
  });

  it('forgets what the log has dropped', () => {
    const ledger = new Ledger(0, '');
    for (let offset = 0; offset < 10; offset += 1) ledger.handedOut(offset);
    ledger.note(3, 'a');
    ledger.startsAt(5);
    assert.deepEqual([ledger.next, ledger.open, ledger.state(3)], [5, 5, undefined]);
    ledger.startsAt(20);
    assert.deepEqual([ledger.next, ledger.open, ledger.high], [20, 0, 20]);
  });

  it('holds everything up to where it was told that may have been handed out', () => {
    const ledger = new Ledger(0, '');
    ledger.reached(5);
    ledger.settled(2);
    ledger.reached(8);
    assert.deepEqual(
      [ledger.open, ledger.gaps, ledger.holds(2), ledger.holds(6)],
      [7, 2, false, true],
    );
  });

  it('refuses a text that it does not know', () => {
    for (const text of ['nonsense', '{"v":2}'])
      assert.throws(() => new Ledger(0, text), { code: 'DUOBUS_DECODE' });
  });
});

describe('runs as text', () => {
  it('come back as they went, those that touch as one', () => {
    for (const seed of seeds) {
      const random = randomOf(seed);
      const base = random(2) * 2 ** 33;
      const runs: { from: number; to: number }[] = [];
      for (let at = base + random(10); runs.length < random(400); ) {
        const to = at + 1 + random(random(3) === 0 ? 100_000 : 4);
        runs.push({ from: at, to });
        at = to + 1 + random(200);
      }
      assert.deepEqual(decodeRuns(encodeRuns(runs, base), base), runs, `seed ${seed}`);
    }
    const touching = [
      { from: 1, to: 2 },
      { from: 2, to: 5 },
    ];
    assert.deepEqual(decodeRuns(encodeRuns(touching, 0), 0), [{ from: 1, to: 5 }]);
  });
});
