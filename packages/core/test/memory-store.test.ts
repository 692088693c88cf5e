import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryStore } from '../src/memory-store.ts';
import { manualClock } from '../src/testing/manual-clock.ts';

describe('memoryStore', () => {
  it('tells one caller to go on, and the others that it runs', async () => {
    const store = memoryStore();
    const answers = await Promise.all([1, 2, 3].map(() => store.begin('k', 1000)));
    assert.deepEqual(answers, ['new', 'running', 'running']);
  });

  it('remembers what is done, and forgets what failed', async () => {
    const store = memoryStore();
    await store.begin('a', 1000);
    await store.done('a');
    assert.equal(await store.begin('a', 1000), 'done');
    await store.begin('b', 1000);
    await store.fail('b');
    assert.equal(await store.begin('b', 1000), 'new');
  });

  it('lets another run begin when the lease is over', async () => {
    const clock = manualClock();
    const store = memoryStore({ clock });
    await store.begin('k', 1000);
    await clock.advance(999);
    assert.equal(await store.begin('k', 1000), 'running');
    await clock.advance(1);
    assert.equal(await store.begin('k', 1000), 'new');
    assert.equal(await store.begin('k', 1000), 'running');
  });

  it('answers its owner again, whose first answer may have been lost', async () => {
    const store = memoryStore();
    assert.equal(await store.begin('k', 60_000, 'a'), 'new');
    assert.equal(await store.begin('k', 60_000, 'a'), 'new');
    assert.equal(await store.begin('k', 60_000, 'b'), 'running');
    assert.equal(await store.begin('k', 60_000), 'running');
  });

  it('lets a run whose lease has ended neither mark nor free the key of another', async () => {
    const clock = manualClock();
    const store = memoryStore({ clock });
    await store.begin('k', 1000, 'a');
    await clock.advance(1000);
    await store.begin('k', 1000, 'b');
    await assert.rejects(store.done('k', 'a'), { code: 'DUOBUS_CONFLICT', retryable: true });
    await store.fail('k', 'a');
    assert.equal(await store.begin('k', 1000, 'c'), 'running');
    await store.done('k', 'b');
    await store.done('k', 'a');
    await store.fail('k', 'a');
    assert.equal(await store.begin('k', 1000, 'c'), 'done');
  });

  it('lets a run whose lease has ended mark the key that nobody has taken', async () => {
    const clock = manualClock();
    const store = memoryStore({ clock });
    await store.begin('k', 1000, 'a');
    await clock.advance(1000);
    await store.done('k', 'a');
    assert.equal(await store.begin('k', 1000, 'b'), 'done');
  });

  it('keeps a mark for as long as it says', async () => {
    const clock = manualClock();
    const store = memoryStore({ clock, keepsForMs: 5000 });
    assert.equal(store.keepsForMs, 5000);
    await store.done('k');
    await clock.advance(4999);
    assert.equal(await store.begin('k', 1000), 'done');
    await clock.advance(1);
    assert.equal(await store.begin('k', 1000), 'new');
  });

  it('keeps marks for 7 days, and for ever where told so', async () => {
    assert.equal(memoryStore().keepsForMs, 7 * 24 * 60 * 60 * 1000);
    const clock = manualClock();
    const store = memoryStore({ clock, keepsForMs: null });
    await store.done('k');
    await clock.advance(1e12);
    assert.equal(await store.begin('k', 1000), 'done');
  });

  it('refuses when it is full rather than forget what is valid', async () => {
    const clock = manualClock();
    const store = memoryStore({ clock, maxEntries: 2, keepsForMs: 5000 });
    await store.begin('a', 1000);
    await store.done('a');
    await store.begin('b', 1000);
    await assert.rejects(store.begin('c', 1000), {
      code: 'DUOBUS_REJECTED',
      message: /maxEntries/,
    });
    assert.equal(await store.begin('a', 1000), 'done');
    assert.equal(await store.begin('b', 1000), 'running');
    await clock.advance(1000);
    assert.equal(await store.begin('c', 1000), 'new', 'the lease of b is over');
    await assert.rejects(store.begin('d', 1000), { code: 'DUOBUS_REJECTED' });
    await clock.advance(4000);
    assert.equal(await store.begin('d', 1000), 'new', 'the mark of a has expired');
  });

  it('refuses wrong options', () => {
    for (const options of [{ maxEntries: 0 }, { keepsForMs: 0 }, { keepsForMs: -1 }, { max: 5 }]) {
      assert.throws(() => memoryStore(options), TypeError);
    }
  });
});
