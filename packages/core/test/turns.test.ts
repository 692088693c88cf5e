import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Deferred, deferred } from '../src/internal/deferred.ts';
import { Turns } from '../src/internal/turns.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Work that ends when it is told to. */
function worksOf(turns: Turns) {
  const begun: number[] = [];
  const ends = new Map<number, Deferred<void>>();
  const start = (n: number, signal?: AbortSignal): Promise<number> => {
    const end = deferred();
    ends.set(n, end);
    return turns.run(async () => {
      begun.push(n);
      await end.promise;
      return n;
    }, signal);
  };
  return { begun, ends, start };
}

describe('Turns', () => {
  it('lets so many go on at a time, in the order they came', async () => {
    const { begun, ends, start } = worksOf(new Turns(2));
    const all = [0, 1, 2, 3].map((n) => start(n));
    await settled();
    assert.deepEqual(begun, [0, 1]);
    ends.get(1)?.resolve();
    assert.equal(await all[1], 1);
    await settled();
    assert.deepEqual(begun, [0, 1, 2]);
    for (const end of ends.values()) end.resolve();
    assert.deepEqual(await Promise.all(all), [0, 1, 2, 3]);
    assert.deepEqual(begun, [0, 1, 2, 3]);
  });

  it('passes the turn of what fails on', async () => {
    const { begun, ends, start } = worksOf(new Turns(1));
    const first = assert.rejects(start(0), /broken/);
    const second = start(1);
    ends.get(0)?.reject(new Error('broken'));
    await first;
    ends.get(1)?.resolve();
    assert.equal(await second, 1);
    assert.deepEqual(begun, [0, 1]);
  });

  it('forgets who has stopped waiting', async () => {
    const { begun, ends, start } = worksOf(new Turns(1));
    const stop = new AbortController();
    const first = start(0);
    const second = assert.rejects(start(1, stop.signal), /enough/);
    const third = start(2);
    stop.abort(new Error('enough'));
    await second;
    await assert.rejects(start(3, stop.signal), /enough/);
    ends.get(0)?.resolve();
    ends.get(2)?.resolve();
    assert.deepEqual(await Promise.all([first, third]), [0, 2]);
    assert.deepEqual(begun, [0, 2]);
  });

  it('takes no notice of a signal once it is their turn', async () => {
    const turns = new Turns(1);
    const { ends, start } = worksOf(turns);
    const stop = new AbortController();
    const first = start(0);
    const second = start(1, stop.signal);
    ends.get(0)?.resolve();
    await first;
    stop.abort(new Error('too late'));
    ends.get(1)?.resolve();
    assert.equal(await second, 1);
    assert.equal(await turns.run(async () => 'free'), 'free');
  });
});
