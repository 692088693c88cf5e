import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { BusError } from '@duobus/core/driver';
import type { ObjectStore } from '@duobus/object-log';
import { type Fault, Proxy } from './support/proxy.ts';
import { endpoint, newConnection, soon } from './support/queue-connection.ts';

const bytes = (text: string): Buffer => Buffer.from(text);
const text = async (
  store: ObjectStore,
  key: string,
  limit?: number,
): Promise<string | undefined> => {
  const found = await store.get(key, soon(), limit);
  return found === undefined ? undefined : Buffer.from(found.body).toString();
};

interface Opened extends AsyncDisposable {
  readonly store: ObjectStore;
  /** Of keys that nobody else has. */
  readonly prefix: string;
}

async function open(options: { readonly endpoint?: string } = {}): Promise<Opened> {
  const connection = newConnection(options);
  await connection.open(soon());
  const { store } = connection;
  const prefix = `store-test/${randomUUID()}/`;
  return {
    store,
    prefix,
    async [Symbol.asyncDispose]() {
      const { objects } = await store.list(prefix, {}, soon());
      for (const { key } of objects) await store.remove(key, undefined, soon());
      await connection.close();
    },
  };
}

const tagOf = (put: { readonly etag: string } | 'conflict'): string => {
  assert.ok(put !== 'conflict');
  return put.etag;
};

describe('objects in S3', () => {
  it('are as they were written, whole or their beginning', async () => {
    await using opened = await open();
    const { store, prefix } = opened;
    const key = `${prefix}a key/with ö+%&?`;
    assert.equal(await text(store, key), undefined);
    const before = Date.now();
    const etag = tagOf(await store.put(key, bytes('0123456789'), undefined, soon()));
    const found = await store.get(key, soon());
    assert.equal(found?.etag, etag);
    assert.ok(found.at > before - 2_000 && found.at < Date.now() + 2_000);
    assert.equal(await text(store, key), '0123456789');
    assert.equal(await text(store, key, 4), '0123');
    assert.equal(await text(store, key, 10), '0123456789');
    assert.equal(await text(store, key, 1_000), '0123456789');
    const every = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
    assert.notEqual(tagOf(await store.put(key, every, undefined, soon())), etag);
    assert.deepEqual(Buffer.from((await store.get(key, soon()))?.body ?? []), every);
  });

  it('are written where there is none, or where the tag is still the same, and else not', async () => {
    await using opened = await open();
    const { store, prefix } = opened;
    const key = `${prefix}a`;
    const put = (body: string, condition: { absent: true } | { etag: string }) =>
      store.put(key, bytes(body), condition, soon());
    const first = tagOf(await put('1', { absent: true }));
    assert.equal(await put('2', { absent: true }), 'conflict');
    const second = tagOf(await put('2', { etag: first }));
    assert.equal(await put('3', { etag: first }), 'conflict');
    assert.equal(await text(store, key), '2');
    assert.equal(await store.remove(key, { etag: first }, soon()), 'conflict');
    assert.equal(await store.remove(key, { etag: second }, soon()), 'removed');
    assert.equal(await text(store, key), undefined);
    // there is nothing to be compared with
    assert.equal(await put('4', { etag: second }), 'conflict');
    assert.equal(await store.remove(key, { etag: second }, soon()), 'conflict');
    assert.equal(await store.remove(key, undefined, soon()), 'removed');
    tagOf(await put('5', { absent: true }));
    assert.equal(await store.remove(key, undefined, soon()), 'removed');
    assert.equal(await text(store, key), undefined);
  });

  it('let one of many win who write at the same time', async () => {
    await using opened = await open();
    const { store, prefix } = opened;
    for (let round = 0; round < 5; round += 1) {
      const key = `${prefix}${round}`;
      const race = (condition: { absent: true } | { etag: string }) =>
        Promise.all(
          Array.from({ length: 8 }, (_, at) =>
            store.put(key, bytes(`${round} ${at} ${'etag' in condition}`), condition, soon()),
          ),
        );
      const made = (await race({ absent: true })).filter((put) => put !== 'conflict');
      assert.equal(made.length, 1);
      const [winner] = made;
      const changed = (await race({ etag: winner?.etag ?? '' })).filter(
        (put) => put !== 'conflict',
      );
      assert.equal(changed.length, 1);
      assert.equal((await store.get(key, soon()))?.etag, changed[0]?.etag);
    }
  });

  it('are listed in the order of their keys, some at a time, after any key', async () => {
    await using opened = await open();
    const { store, prefix } = opened;
    const names = ['a', 'a/1', 'a0', 'b', 'b/x/y', 'c', 'ä'];
    for (const name of names.toReversed())
      await store.put(prefix + name, bytes(name), undefined, soon());
    const list = async (options: { after?: string; limit?: number }) => {
      const { objects, more } = await store.list(prefix, options, soon());
      return [objects.map(({ key }) => key.slice(prefix.length)), more];
    };
    assert.deepEqual(await list({}), [names, false]);
    assert.deepEqual(await list({ limit: 3 }), [names.slice(0, 3), true]);
    assert.deepEqual(await list({ after: `${prefix}a0`, limit: 2 }), [['b', 'b/x/y'], true]);
    assert.deepEqual(await list({ after: `${prefix}az`, limit: 9 }), [
      ['b', 'b/x/y', 'c', 'ä'],
      false,
    ]);
    assert.deepEqual(await list({ after: `${prefix}ä` }), [[], false]);
    const { objects } = await store.list(`${prefix}b/`, {}, soon());
    const found = await store.get(`${prefix}b/x/y`, soon());
    // one of the two may be in whole seconds
    const seconds = (at = 0): number => Math.floor(at / 1_000);
    assert.deepEqual(
      objects.map(({ etag, size, at }) => [etag, size, seconds(at)]),
      [[found?.etag, 5, seconds(found?.at)]],
    );
  });

  const faults: readonly [fault: Fault, says: unknown[]][] = [
    [{ answer: 409, code: 'ConditionalRequestConflict' }, ['conflict']],
    [{ answer: 412, code: 'PreconditionFailed' }, ['conflict']],
    [{ answer: 404, code: 'NoSuchKey' }, ['conflict']],
    [{ answer: 404, code: 'NoSuchBucket' }, ['DUOBUS_NOT_FOUND', false, 'rejected']],
    [{ answer: 403, code: 'AccessDenied' }, ['DUOBUS_PERMISSION', false, 'rejected']],
    [{ answer: 503, code: 'SlowDown' }, ['DUOBUS_UNAVAILABLE', true, 'rejected']],
    [{ answer: 500, code: 'InternalError' }, ['DUOBUS_UNAVAILABLE', true, 'unknown']],
    ['cut', ['DUOBUS_UNAVAILABLE', true, 'unknown']],
    ['lose', ['DUOBUS_UNAVAILABLE', true, 'unknown']],
  ];
  it('are said to be written only where that is known', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await open({ endpoint: proxy.url });
    const { store, prefix } = opened;
    const key = `${prefix}a`;
    const told = async (call: () => Promise<unknown>): Promise<unknown[]> => {
      try {
        return [await call()];
      } catch (error) {
        assert.ok(BusError.is(error));
        return [error.code, error.retryable, error.outcome];
      }
    };
    for (const [fault, says] of faults) {
      proxy.fault = ({ action }) => (action === 'PUT' || action === 'DELETE' ? fault : undefined);
      const name = JSON.stringify(fault);
      const put = await told(() => store.put(key, bytes(name), { absent: true }, soon()));
      assert.deepEqual(put, says, name);
      assert.deepEqual(await told(() => store.remove(key, { etag: '"x"' }, soon())), says, name);
      proxy.fault = () => undefined;
      // what was lost is the answer
      assert.equal(await text(store, key), fault === 'lose' ? name : undefined);
    }
    proxy.fault = () => ({ answer: 409, code: 'ConditionalRequestConflict' });
    // without a condition nobody else can have won
    assert.deepEqual(await told(() => store.put(key, bytes('x'), undefined, soon())), [
      'DUOBUS_UNAVAILABLE',
      true,
      'rejected',
    ]);
    proxy.fault = () => ({ answer: 404, code: 'NoSuchBucket' });
    for (const call of [() => store.get(key, soon()), () => store.list(prefix, {}, soon())])
      assert.deepEqual(await told(call), ['DUOBUS_NOT_FOUND', false, 'rejected']);
    proxy.fault = () => undefined;
  });

  it('are left alone by who gives up, with the reason', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await open({ endpoint: proxy.url });
    const { store, prefix } = opened;
    const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
      (signal) => store.get(`${prefix}a`, signal),
      (signal) => store.put(`${prefix}a`, bytes('x'), { absent: true }, signal),
      (signal) => store.remove(`${prefix}a`, undefined, signal),
      (signal) => store.list(prefix, {}, signal),
    ];
    for (const call of calls) {
      const reason = new Error('enough');
      await assert.rejects(call(AbortSignal.abort(reason)), (error) => error === reason);
      const stop = new AbortController();
      proxy.fault = () => {
        stop.abort(reason);
        return 'cut';
      };
      await assert.rejects(call(stop.signal), (error) => error === reason);
    }
    proxy.fault = () => undefined;
    assert.equal(await text(store, `${prefix}a`), undefined);
  });
});
