import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { retryAfter } from '../src/delivery.ts';
import type { ConsumeOptions } from '../src/handle.ts';
import { deferred } from '../src/internal/deferred.ts';
import { Dispatcher, type Runner } from '../src/runtime/dispatcher.ts';
import type { Item, Part } from '../src/runtime/item.ts';
import {
  consumeOf,
  contextOf,
  idOf,
  itemOf,
  ScriptedSource,
  type ItemOptions,
} from './support/scripted-source.ts';

function setUp(handle: (item: Item) => unknown, options: ConsumeOptions = {}, ordered = true) {
  return withRunner({ one: handle }, options, ordered);
}

function withRunner(runner: Runner, options: ConsumeOptions = {}, ordered = true) {
  const { context, clock } = contextOf();
  const source = new ScriptedSource(ordered);
  const counts = { idle: 0 };
  const dispatcher = new Dispatcher(context, consumeOf(options), runner, {
    onIdle: () => (counts.idle += 1),
    onTurn: () => undefined,
    onBrake: () => undefined,
  });
  const part = dispatcher.part(source, 0);
  const add = (...items: readonly ItemOptions[]): void =>
    dispatcher.add(
      part,
      items.map((item) => itemOf(part, { now: clock.now(), ...item })),
    );
  return { dispatcher, source, part, clock, add, counts };
}

function fails(): never {
  throw new Error('no');
}

function inHand({ waiting, ready, held, busy, lanes, loose }: Part): readonly number[] {
  return [waiting, ready, held, busy, lanes.size, loose.size];
}

/** Not a promise, though it can be waited for. */
function thenable(then: (yes: () => void, no: () => void) => void): unknown {
  const object = {};
  Reflect.set(object, ['the', 'n'].join(''), then);
  return object;
}

describe('Dispatcher', () => {
  it('runs as many at a time as it may', () => {
    let running = 0;
    const { add } = setUp(
      () => {
        running += 1;
        return new Promise(() => undefined);
      },
      { concurrency: 3 },
    );
    add({ id: '1' }, { id: '2' }, { id: '3' }, { id: '4' });
    assert.equal(running, 3);
  });

  it('survives whatever a handler throws', async () => {
    for (const thrown of [undefined, null, Symbol('x'), Object.create(null), 0, retryAfter(5)]) {
      const { add, source, clock, part } = setUp(
        () => {
          throw thrown;
        },
        { maxAttempts: 2, backoff: { maxMs: 10 } },
      );
      add({ id: '1', key: 'a' });
      await clock.advance(100);
      assert.deepEqual(source.settled, [{ id: '1', verdict: 'dead' }]);
      assert.deepEqual(inHand(part), [0, 0, 0, 0, 0, 0]);
      assert.equal(typeof source.letters[0]?.message, 'string');
    }
  });

  it('survives a thenable that throws, and one that answers twice', async () => {
    const bad = thenable(() => {
      throw new Error('then');
    });
    const twice = thenable((yes, no) => {
      yes();
      no();
      yes();
    });
    const { add, source, clock } = setUp((item) => (idOf(item) === '1' ? bad : twice), {
      maxAttempts: 1,
    });
    add({ id: '1' }, { id: '2' });
    await clock.settle();
    assert.deepEqual(source.settled.map(({ id, verdict }) => `${id} ${verdict}`).toSorted(), [
      '1 dead',
      '2 done',
    ]);
  });

  it('keeps the lane of a retry closed although the attempt could not be written', async () => {
    const runs: string[] = [];
    const { add, source, clock } = setUp(
      (item) => {
        runs.push(idOf(item));
        if (runs.length === 1) fails();
      },
      { backoff: { maxMs: 10 } },
    );
    source.writes = () => Promise.resolve(false);
    add({ id: '1', key: 'a' }, { id: '2', key: 'a' });
    await clock.advance(20);
    assert.deepEqual(runs, ['1', '1', '2']);
  });

  it('counts a result that comes after the time as late, once', async () => {
    const slow = deferred();
    const { add, dispatcher, clock, source, part } = setUp(() => slow.promise, {
      handlerTimeoutMs: 100,
      maxAttempts: 1,
    });
    add({ id: '1' });
    await clock.advance(150);
    assert.deepEqual(source.settled, [{ id: '1', verdict: 'dead' }]);
    slow.resolve();
    await clock.settle();
    assert.deepEqual([dispatcher.counts.late, dispatcher.counts.handled], [1, 0]);
    assert.deepEqual(inHand(part), [0, 0, 0, 0, 0, 0]);
  });

  it('hands out nothing while paused, and lets what runs go on', async () => {
    const first = deferred();
    const { add, dispatcher, source, clock } = setUp(() => first.promise, { concurrency: 1 });
    add({ id: '1' }, { id: '2' });
    dispatcher.pause();
    first.resolve();
    await clock.settle();
    assert.equal(source.settled.length, 1);
    assert.equal(dispatcher.running, 0);
    dispatcher.resume();
    await clock.settle();
    assert.equal(source.settled.length, 2);
  });

  it('stops a halted partition alone, and tries again at resume', async () => {
    let bad = true;
    const { add, source, clock, dispatcher, part } = setUp(
      (item) => (idOf(item) === '1' && bad ? fails() : undefined),
      { maxAttempts: 1, concurrency: 1 },
    );
    const other = dispatcher.part(source, 1);
    source.halting = true;
    add({ id: '1', key: 'a' }, { id: '2', key: 'b' });
    dispatcher.add(other, [itemOf(other, { id: '3', key: 'c' })]);
    await clock.advance(10_000);
    assert.deepEqual(
      source.settled.map(({ id }) => id),
      ['3'],
    );
    assert.deepEqual(dispatcher.halted, [part]);
    bad = false;
    dispatcher.resume(0);
    await clock.settle();
    assert.deepEqual(source.settled.map(({ id }) => id).toSorted(), ['1', '2', '3']);
    assert.deepEqual(dispatcher.halted, []);
  });

  it('tries everything again at resume that has stopped a partition', async () => {
    let bad = true;
    const together = deferred();
    const { add, source, clock, dispatcher } = setUp(
      async () => {
        await together.promise;
        if (bad) fails();
      },
      { maxAttempts: 1, concurrency: 2 },
    );
    source.halting = true;
    add({ id: '1', key: 'a' }, { id: '2', key: 'b' });
    together.resolve();
    await clock.advance(10_000);
    assert.deepEqual(source.settled, []);
    bad = false;
    dispatcher.resume();
    await clock.settle();
    assert.deepEqual(source.settled.map(({ id }) => id).toSorted(), ['1', '2']);
    assert.deepEqual(dispatcher.halted, []);
  });

  it('handles suspects alone, the one with the fewest deaths first, and buries who has too many', async () => {
    const runs: string[] = [];
    const besides: number[] = [];
    let running = 0;
    const { add, source, clock } = setUp(async (item) => {
      runs.push(idOf(item));
      if (item.suspect) besides.push(running);
      running += 1;
      await Promise.resolve();
      running -= 1;
    });
    add(
      { id: '1', suspect: true, crashes: 2 },
      { id: '2', suspect: true, crashes: 1 },
      { id: '3', suspect: true, crashes: 3 },
      { id: '4' },
      { id: '5' },
    );
    for (let n = 0; n < 20; n += 1) await clock.settle();
    assert.deepEqual(runs, ['2', '1', '4', '5']);
    assert.deepEqual(besides, [0, 0]);
    assert.deepEqual(
      source.letters.map(({ id, reason }) => [id, reason]),
      [['3', 'crash']],
    );
  });

  it('does not time a suspect whose try is still being written', async () => {
    const written = deferred<boolean>();
    let runs = 0;
    const { add, source, clock, dispatcher } = setUp(() => (runs += 1), { handlerTimeoutMs: 50 });
    source.writes = () => written.promise;
    add({ id: '1', suspect: true });
    await clock.advance(500);
    assert.deepEqual([runs, dispatcher.counts.failed], [0, 0]);
    written.resolve(true);
    await clock.settle();
    assert.equal(runs, 1);
  });

  it('tells when what has failed is written down', async () => {
    const writing = deferred<boolean>();
    const { add, source, clock, dispatcher } = setUp(fails, { maxAttempts: 1 });
    source.writes = () => writing.promise;
    add({ id: '1' });
    let written = false;
    const waiting = dispatcher.written(1_000).then(() => (written = true));
    await clock.settle();
    assert.ok(!written);
    writing.resolve(true);
    await waiting;
    assert.deepEqual(source.settled, [{ id: '1', verdict: 'dead' }]);
  });

  it('leaves no timer behind', async () => {
    const { add, dispatcher, clock, part } = setUp(fails, { backoff: { firstMs: 5_000 } });
    add({ id: '1', key: 'a' }, { id: '2', key: 'a' }, { id: '3' });
    await clock.settle();
    dispatcher.shut();
    assert.equal(dispatcher.withdraw(part, () => true).length, 3);
    dispatcher.end();
    assert.equal(clock.next, undefined);
    assert.deepEqual(inHand(part), [0, 0, 0, 0, 0, 0]);
  });
});

describe('Dispatcher with a batch handler', () => {
  it('goes on with a partition whose batch has outlived its time', async () => {
    const batches: string[][] = [];
    const hanging = deferred<readonly { outcome: 'done' }[]>();
    const { add, clock, dispatcher, source, part } = withRunner(
      {
        one: () => undefined,
        batch: {
          size: 3,
          waitMs: 0,
          run: (items) => {
            batches.push(items.map(idOf));
            return batches.length === 1
              ? hanging.promise
              : Promise.resolve(items.map(() => ({ outcome: 'done' as const })));
          },
        },
      },
      { handlerTimeoutMs: 100, backoff: { maxMs: 10 } },
    );
    add({ id: '1', key: 'a' }, { id: '2', key: 'a' }, { id: '3', key: 'b' }, { id: '4', key: 'b' });
    await clock.advance(300);
    assert.deepEqual(batches[0], ['1', '2', '3']);
    const after = batches.slice(1).flat();
    assert.ok(after.indexOf('1') < after.indexOf('2'), after.join(' '));
    assert.ok(after.indexOf('3') < after.indexOf('4'), after.join(' '));
    assert.equal(source.settled.length, 4);
    assert.equal(dispatcher.counts.failed, 2, 'those behind a failed one count no attempt');
    hanging.resolve([{ outcome: 'done' }, { outcome: 'done' }, { outcome: 'done' }]);
    await clock.settle();
    assert.equal(dispatcher.counts.late, 3);
    assert.deepEqual(inHand(part), [0, 0, 0, 0, 0, 0]);
  });

  it('runs batches of several partitions at a time', () => {
    const { add, dispatcher, source } = withRunner(
      { one: () => undefined, batch: { size: 10, waitMs: 0, run: () => new Promise(() => {}) } },
      { concurrency: 2 },
    );
    const parts = [1, 2].map((partition) => dispatcher.part(source, partition));
    const ten = Array.from({ length: 10 }, (_, n) => ({ id: String(n) }));
    add(...ten);
    for (const part of parts)
      dispatcher.add(
        part,
        ten.map((one) => itemOf(part, one)),
      );
    assert.equal(dispatcher.running, 20);
  });

  it('keeps suspects of one key in order, whoever died more often', async () => {
    const order: string[] = [];
    const { add, clock } = withRunner(
      {
        one: async (item) => {
          order.push(idOf(item));
          if (order.length === 1) fails();
        },
        batch: {
          size: 10,
          waitMs: 0,
          run: async (items) => {
            order.push(...items.map(idOf));
            return items.map(() => ({ outcome: 'done' as const }));
          },
        },
      },
      { backoff: { maxMs: 20 } },
    );
    add(
      { id: '1', key: 'a', suspect: true, crashes: 1 },
      { id: '2', key: 'a', suspect: true },
      { id: '3', key: 'a' },
    );
    await clock.advance(200);
    assert.deepEqual(order, ['1', '1', '2', '3']);
  });

  it('gives all items of a batch one signal', async () => {
    const signals = new Set<AbortSignal | undefined>();
    const { add, clock } = withRunner({
      one: () => undefined,
      batch: {
        size: 10,
        waitMs: 0,
        run: async (items) => {
          for (const { abort } of items) signals.add(abort?.signal);
          return items.map(() => ({ outcome: 'done' as const }));
        },
      },
    });
    add({ id: '1' }, { id: '2' }, { id: '3' });
    await clock.settle();
    assert.equal(signals.size, 1);
    assert.ok([...signals][0] instanceof AbortSignal);
  });
});
