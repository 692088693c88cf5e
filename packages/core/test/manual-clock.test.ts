import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { manualClock } from '../src/testing/manual-clock.ts';

describe('manualClock', () => {
  it('stands still by itself', async () => {
    const clock = manualClock(1000);
    let ran = false;
    clock.after(0, () => {
      ran = true;
    });
    await clock.settle();
    assert.equal(clock.now(), 1000);
    assert.equal(ran, false);
  });

  it('runs what is due in order, each at its time', async () => {
    const clock = manualClock(0);
    const seen: string[] = [];
    const note = (name: string) => () => void seen.push(`${name}@${clock.now()}`);
    clock.after(20, note('b'));
    clock.after(10, note('a'));
    clock.after(20, note('c'));
    clock.after(31, note('never'));
    await clock.advance(30);
    assert.deepEqual(seen, ['a@10', 'b@20', 'c@20']);
    assert.equal(clock.now(), 30);
    assert.equal(clock.next, 31);
  });

  it('lets promises settle in between, and runs what they wait for', async () => {
    const clock = manualClock(0);
    const seen: number[] = [];
    const sleep = (ms: number): Promise<void> =>
      new Promise((resolve) => void clock.after(ms, resolve));
    const loop = (async () => {
      for (let count = 0; count < 3; count += 1) {
        await sleep(10);
        seen.push(clock.now());
      }
    })();
    await clock.advance(30);
    assert.deepEqual(seen, [10, 20, 30]);
    await loop;
  });

  it('does not run what was cancelled', async () => {
    const clock = manualClock();
    const cancel = clock.after(5, () => assert.fail('was cancelled'));
    cancel();
    assert.equal(clock.next, undefined);
    await clock.advance(10);
  });

  it('rejects with what a callback throws', async () => {
    const clock = manualClock();
    clock.after(1, () => {
      throw new Error('broken');
    });
    await assert.rejects(clock.advance(1), /broken/);
  });

  it('does not go on for ever', async () => {
    const clock = manualClock();
    const again = (): void => void clock.after(0, again);
    again();
    await assert.rejects(clock.advance(1), /without delay/);
  });

  it('refuses wrong arguments', async () => {
    assert.throws(() => manualClock(Number.NaN), TypeError);
    await assert.rejects(manualClock().advance(-1), TypeError);
  });
});
