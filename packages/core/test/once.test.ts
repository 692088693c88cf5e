import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HandlerSignal, reject } from '../src/delivery.ts';
import type { Delivery } from '../src/delivery.ts';
import { BusError } from '../src/errors.ts';
import { idempotent, storeOf } from '../src/idempotence.ts';
import type { BeginResult, IdempotenceStore } from '../src/idempotence.ts';
import { deferred } from '../src/internal/deferred.ts';
import { memoryStore } from '../src/memory-store.ts';
import { effectKey, once } from '../src/once.ts';
import { manualClock } from '../src/testing/manual-clock.ts';

const identity = { bus: 'data', topic: 'orders', name: 'mail', source: '/shop', id: '1' } as const;

function delivery(more: Partial<Delivery> = {}): Delivery {
  return { ...identity, signal: new AbortController().signal, ...more } as unknown as Delivery;
}

/** A store with transactions: one at a time, undone when the effect throws. */
class Transactions implements IdempotenceStore<{ readonly name: string }> {
  readonly keepsForMs = null;
  readonly done_ = new Set<string>();

  async transaction<T>(
    key: string,
    effect: (tx: { readonly name: string }) => Promise<T>,
  ): Promise<{ result: BeginResult; value?: T }> {
    if (this.done_.has(key)) return { result: 'done' };
    const value = await effect({ name: 'tx' });
    this.done_.add(key);
    return { result: 'new', value };
  }

  begin(): Promise<BeginResult> {
    throw new Error('begin is not used where there are transactions');
  }
  done(): Promise<void> {
    throw new Error('done is not used where there are transactions');
  }
  fail(): Promise<void> {
    throw new Error('fail is not used where there are transactions');
  }
}

describe('effectKey', () => {
  it('differs wherever a part differs, whatever is in the parts', () => {
    const keys = [
      effectKey(identity, 's'),
      effectKey({ ...identity, bus: 'event' }, 's'),
      effectKey({ ...identity, topic: 'x' }, 's'),
      effectKey({ ...identity, name: 'x' }, 's'),
      effectKey({ ...identity, source: 'x' }, 's'),
      effectKey({ ...identity, id: 'x' }, 's'),
      effectKey(identity, 'x'),
      effectKey({ ...identity, source: 'a","b', id: 'c' }, 's'),
      effectKey({ ...identity, source: 'a', id: 'b","c' }, 's'),
    ];
    assert.equal(new Set(keys).size, keys.length);
  });
});

describe('idempotent', () => {
  it('runs a handler once for each document', async () => {
    const seen: unknown[] = [];
    const handler = idempotent((document: number) => seen.push(document), {
      store: memoryStore(),
      scope: 's',
    });
    await handler(1, delivery({ id: '1' }));
    await handler(1, delivery({ id: '1' }));
    await handler(2, delivery({ id: '2' }));
    assert.deepEqual(seen, [1, 2]);
  });

  it('runs it again under another scope, so that a replay heals', async () => {
    const store = memoryStore();
    let runs = 0;
    const handle = (): number => (runs += 1);
    await idempotent(handle, { store, scope: 'v1' })(1, delivery());
    await idempotent(handle, { store, scope: 'v2' })(1, delivery());
    assert.equal(runs, 2);
  });

  it('returns what the handler returns, and undefined for a repetition', async () => {
    const handler = idempotent(() => 'made', { store: memoryStore(), scope: 's' });
    assert.equal(await handler(1, delivery()), 'made');
    assert.equal(await handler(1, delivery()), undefined);
  });

  it('runs a handler again that failed', async () => {
    let runs = 0;
    const handle = (): void => {
      runs += 1;
      if (runs === 1) throw new Error('broken');
    };
    const handler = idempotent(handle, { store: memoryStore(), scope: 's' });
    await assert.rejects(async () => handler(1, delivery()), /broken/);
    await handler(1, delivery());
    assert.equal(runs, 2);
  });

  it('lets a repetition wait until the running one has ended', async () => {
    const gate = deferred();
    let runs = 0;
    const handle = async (): Promise<void> => {
      runs += 1;
      await gate.promise;
    };
    const handler = idempotent(handle, { store: memoryStore(), scope: 's' });
    const settled: string[] = [];
    const first = Promise.resolve(handler(1, delivery())).then(() => settled.push('first'));
    const second = Promise.resolve(handler(1, delivery())).then(() => settled.push('second'));
    gate.resolve();
    await Promise.all([first, second]);
    assert.equal(runs, 1);
    assert.deepEqual(settled, ['first', 'second']);
  });

  it('lets the waiting one run when the running one fails', async () => {
    const gate = deferred();
    let runs = 0;
    const handle = async (): Promise<void> => {
      runs += 1;
      if (runs > 1) return;
      await gate.promise;
      throw new Error('broken');
    };
    const handler = idempotent(handle, { store: memoryStore(), scope: 's' });
    const first = assert.rejects(async () => handler(1, delivery()), /broken/);
    const second = handler(1, delivery());
    gate.resolve();
    await Promise.all([first, second]);
    assert.equal(runs, 2);
  });

  it('stops waiting when the signal is aborted, as a failed attempt', async () => {
    const store = memoryStore();
    await store.begin(effectKey(identity, 's'), 60_000);
    const controller = new AbortController();
    const handler = idempotent(() => assert.fail('must not run'), { store, scope: 's' });
    const waiting = assert.rejects(
      async () => handler(1, delivery({ signal: controller.signal })),
      /time is up/,
    );
    controller.abort(new Error('time is up'));
    await waiting;
  });

  it('does not begin when the signal is aborted already', async () => {
    const handler = idempotent(() => assert.fail('must not run'), {
      store: memoryStore(),
      scope: 's',
    });
    await assert.rejects(
      async () => handler(1, delivery({ signal: AbortSignal.abort(new Error('closed')) })),
      /closed/,
    );
  });

  it('hands the transaction of a store to the handler, once for each document', async () => {
    const store = new Transactions();
    const seen: unknown[] = [];
    const handler = idempotent(
      (document: number, _delivery, tx: { readonly name: string }) =>
        seen.push([document, tx.name]),
      { store, scope: 's' },
    );
    await handler(1, delivery());
    await handler(1, delivery());
    assert.deepEqual(seen, [[1, 'tx']]);
  });

  it('marks the handler with its store', () => {
    const store = memoryStore();
    const handler = idempotent(() => 1, { store, scope: 's' });
    assert.equal(storeOf(handler), store);
    assert.equal(
      storeOf(() => 1),
      undefined,
    );
    assert.equal(storeOf(undefined), undefined);
  });

  it('finds the store that forgets first among handlers by type', () => {
    const make = (keepsForMs: number | null): ReturnType<typeof idempotent> =>
      idempotent(() => 1, { store: memoryStore({ keepsForMs }), scope: 's' });
    assert.equal(
      storeOf({ a: make(null), b: make(5000), c: make(9000), d: () => 1 })?.keepsForMs,
      5000,
    );
    assert.equal(storeOf({ a: make(null) })?.keepsForMs, null);
    assert.equal(storeOf({ a: () => 1 }), undefined);
  });

  it('refuses wrong arguments', () => {
    const store = memoryStore();
    const make = (handler: unknown, options: unknown) => () =>
      idempotent(handler as never, options as never);
    assert.throws(make('x', { store, scope: 's' }), TypeError);
    assert.throws(
      make(() => 1, { store, scope: '' }),
      /scope/,
    );
    assert.throws(
      make(() => 1, { store }),
      /scope/,
    );
    assert.throws(
      make(() => 1, { scope: 's' }),
      /store/,
    );
    assert.throws(
      make(() => 1, { store: { ...store, keepsForMs: undefined }, scope: 's' }),
      /store/,
    );
    assert.throws(
      make(() => 1, { store, scope: 's', leaseMs: 0 }),
      /leaseMs/,
    );
  });
});

describe('once', () => {
  it('looks again with growing pauses while another run holds the key', async () => {
    const clock = manualClock();
    const store = memoryStore({ clock });
    const key = effectKey(identity, 's');
    await store.begin(key, 1500);
    let looks = 0;
    const counting: IdempotenceStore = {
      ...methods(store),
      begin: (of, leaseMs) => ((looks += 1), store.begin(of, leaseMs)),
    };
    const run = once(
      counting,
      { ...identity, signal: new AbortController().signal },
      's',
      1000,
      () => 'made',
      clock,
    );
    await clock.advance(3000);
    assert.equal(await run, 'made');
    assert.ok(looks >= 5 && looks <= 9, `${looks} looks`);
    assert.equal(clock.next, undefined);
  });

  it('throws the error of the effect and that of the store, when both fail', async () => {
    const store: IdempotenceStore = {
      ...methods(memoryStore()),
      fail: () => Promise.reject(new Error('store is away')),
    };
    const run = async (error: Error): Promise<unknown> =>
      once(store, delivery(), 's', 1000, () => Promise.reject(error)).catch(
        (thrown: unknown) => thrown,
      );
    const both = await run(new Error('broken'));
    assert.ok(both instanceof AggregateError);
    assert.deepEqual(both.errors.map(String), ['Error: broken', 'Error: store is away']);
  });

  it('stays a signal when the store fails too', async () => {
    const store: IdempotenceStore = {
      ...methods(memoryStore()),
      fail: () => Promise.reject(new Error('store is away')),
    };
    const thrown = await once(store, delivery(), 's', 1000, () =>
      Promise.reject(reject('no such customer')),
    ).catch((error: unknown) => error);
    assert.ok(HandlerSignal.is(thrown) && thrown.kind === 'reject');
    assert.equal(thrown.message, 'no such customer');
    assert.ok(thrown.cause instanceof AggregateError);
  });

  it('waits for a store that is away, as one owner, and runs the effect once', async () => {
    const clock = manualClock();
    const store = memoryStore({ clock });
    const owners = new Set<unknown>();
    let away = 5;
    const flaky: IdempotenceStore = {
      ...methods(store),
      begin: async (key, leaseMs, owner) => {
        owners.add(owner);
        const result = await store.begin(key, leaseMs, owner);
        if ((away -= 1) >= 0) throw unavailable();
        return result;
      },
    };
    let runs = 0;
    const run = once(flaky, delivery(), 's', 300_000, () => (runs += 1), clock);
    await clock.advance(10_000);
    assert.equal(await run, 1);
    assert.equal(runs, 1);
    assert.equal(owners.size, 1);
    assert.equal(clock.next, undefined);
  });

  it('tells the error of a store that stays away before the lease would be over', async () => {
    const clock = manualClock();
    const store: IdempotenceStore = {
      ...methods(memoryStore()),
      begin: () => Promise.reject(unavailable()),
    };
    let ended = Number.POSITIVE_INFINITY;
    const run = assert
      .rejects(
        once(store, delivery(), 's', 60_000, () => assert.fail('must not run'), clock),
        /store is away/,
      )
      .then(() => (ended = clock.now()));
    const began = clock.now();
    await clock.advance(60_000);
    await run;
    assert.ok(ended - began >= 48_000 && ended - began < 60_000, `${ended - began} ms`);
  });

  it('does not wait for a store that went away after the effect had begun', async () => {
    let runs = 0;
    const store: IdempotenceStore = {
      ...methods(memoryStore()),
      transaction: async (_key, effect) => {
        await effect(undefined);
        throw unavailable();
      },
    };
    await assert.rejects(
      once(store, delivery(), 's', 1000, () => (runs += 1)),
      /store is away/,
    );
    assert.equal(runs, 1);
  });

  it('hands its signal to a transaction', async () => {
    const { signal } = new AbortController();
    const seen: unknown[] = [];
    const store: IdempotenceStore = {
      ...methods(memoryStore()),
      transaction: async (_key, effect, given) => {
        seen.push(given);
        return { result: 'new', value: await effect(undefined) };
      },
    };
    await once(store, delivery({ signal }), 's', 1000, () => 1);
    assert.deepEqual(seen, [signal]);
  });

  it('fails the attempt when the mark cannot be written', async () => {
    const store: IdempotenceStore = {
      ...methods(memoryStore()),
      done: () => Promise.reject(new Error('store is away')),
    };
    await assert.rejects(
      once(store, delivery(), 's', 1000, () => 1),
      /store is away/,
    );
  });
});

function methods(store: IdempotenceStore): IdempotenceStore {
  return {
    keepsForMs: store.keepsForMs,
    begin: (key, leaseMs, owner) => store.begin(key, leaseMs, owner),
    done: (key, owner) => store.done(key, owner),
    fail: (key, owner) => store.fail(key, owner),
  };
}

const unavailable = (): BusError =>
  new BusError('DUOBUS_UNAVAILABLE', 'store is away', { retryable: true });
