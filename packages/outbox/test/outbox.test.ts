import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError, topic } from '@duobus/core';
import { memoryOutbox, type NewRow } from '../src/index.ts';
import { Orders, stage } from './support/stage.ts';

/** What a transaction was given. */
function written(outbox: ReturnType<typeof memoryOutbox>): {
  tx: ReturnType<typeof outbox.begin>;
  rows: NewRow[];
} {
  const tx = outbox.begin();
  const rows: NewRow[] = [];
  tx.write = (more) => void rows.push(...more);
  return { tx, rows };
}

function schema(mode: 'sync' | 'async') {
  const validate = (value: unknown) =>
    typeof value === 'number' ? { value } : { issues: [{ message: 'must be a number' }] };
  return {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value: unknown) =>
        mode === 'sync' ? validate(value) : Promise.resolve(validate(value)),
    },
  } as const;
}

describe('outbox.publish', () => {
  const outbox = memoryOutbox({ source: '/shop' });

  it('writes the envelope, and returns its id', async () => {
    const { tx, rows } = written(outbox);
    const id = await outbox.publish(tx, Orders, { key: 'k', n: 1 }, { subject: 's' });
    const attributes = JSON.parse(rows[0]?.attributes ?? '') as Record<string, string>;
    assert.deepEqual(
      [attributes['id'], attributes['source'], attributes['type'], attributes['partitionkey']],
      [id, '/shop', 'orders', 'k'],
    );
    assert.equal(attributes['subject'], 's');
    assert.equal(attributes['correlationid'], id);
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    assert.equal(Buffer.from(rows[0]?.data ?? []).toString(), '{"key":"k","n":1}');
  });

  it('is for the event bus, the data bus, or both with one id', async () => {
    const { tx, rows } = written(memoryOutbox({ source: '/shop', bus: 'data' }));
    await outbox.publish(tx, Orders, { n: 1 });
    await memoryOutbox({ source: '/shop', bus: 'data' }).publish(tx, Orders, { n: 2 });
    const id = await outbox.publish(tx, Orders, { key: 'k', n: 3 }, { bus: 'both' });
    assert.deepEqual(
      rows.map(({ bus }) => bus),
      ['event', 'data', 'event', 'data'],
    );
    assert.deepEqual(
      rows.slice(2).map((row) => row.id),
      [id, id],
    );
    assert.notEqual(rows[2]?.lane, rows[3]?.lane);
  });

  it('keeps one lane for each key of each topic', async () => {
    const { tx, rows } = written(outbox);
    const Others = topic<{ key: string }>('others', { key: ({ key }) => key });
    await outbox.publishMany(tx, Orders, [{ key: 'a', n: 1 }, { key: 'b', n: 2 }, { n: 3 }]);
    await outbox.publish(tx, Orders, { key: 'a', n: 4 });
    await outbox.publish(tx, Others, { key: 'a' });
    const [a, b, none, again, other] = rows.map(({ lane }) => lane);
    assert.equal(a, again);
    assert.equal(none, undefined);
    assert.equal(new Set([a, b, other]).size, 3);
  });

  it('refuses as publish does, and writes nothing then', async () => {
    const { tx, rows } = written(outbox);
    const Numbers = topic('numbers', { schema: schema('sync') });
    const Ordered = topic<{ n: number }>('ordered', { order: 'key' });
    const invalid = (error: unknown): boolean => BusError.is(error, 'DUOBUS_INVALID');
    await assert.rejects(outbox.publish(tx, Numbers, 'x' as never), invalid);
    await assert.rejects(outbox.publishMany(tx, Numbers, [1, 'x' as never]), invalid);
    await assert.rejects(
      outbox.publish(tx, topic('small', { maxBytes: 10 }), 'much too long'),
      (error) => BusError.is(error, 'DUOBUS_TOO_LARGE'),
    );
    await assert.rejects(outbox.publish(tx, Ordered, { n: 1 }), /every document needs one/);
    await assert.rejects(
      outbox.publish(tx, Orders, { n: 1 }, { signal: AbortSignal.timeout(1) } as never),
      /unknown option 'signal'/,
    );
    await assert.rejects(outbox.publish(tx, Orders, { n: 1 }, { bus: 'x' as never }), TypeError);
    await assert.rejects(outbox.publish(tx, {} as never, 1), /topic must be made with/);
    assert.deepEqual(rows, []);
  });

  it('refuses an asynchronous schema where the database is synchronous', async () => {
    const { tx, rows } = written(outbox);
    const Slow = topic('slow', { schema: schema('async') });
    assert.throws(() => outbox.publishSync(tx, Slow, 1), /schema of this topic is asynchronous/);
    await assert.rejects(outbox.publish(tx, Slow, 'x' as never), TypeError);
    await assert.rejects(outbox.publishMany(tx, Slow, [1]), TypeError);
    assert.deepEqual(rows, []);
  });

  it('has the document whose handler is running as its cause', async () => {
    await using on = await stage();
    const Next = topic<number>('next');
    const ids: string[] = [];
    await on.bus.events.subscribe(Orders, 'then', async ({ n }) => {
      const tx = on.outbox.begin();
      ids.push(await on.outbox.publish(tx, Next, n));
      tx.commit();
    });
    const causes: unknown[] = [];
    const done = new Promise<void>((resolve) => {
      void on.bus.events.subscribe(Next, 'see', (_, { attributes }) => {
        causes.push([attributes.id, attributes['causationid'], attributes['correlationid']]);
        resolve();
      });
    });
    await on.relay();
    const { id } = await on.bus.events.publish(Orders, { n: 1 }, { correlationId: 'c' });
    await done;
    assert.deepEqual(causes, [[ids[0], id, 'c']]);
  });

  it('refuses wrong options', () => {
    assert.throws(() => memoryOutbox({} as never), /source is missing/);
    assert.throws(() => memoryOutbox({ source: 'a b' }), TypeError);
    assert.throws(
      () => memoryOutbox({ source: '/s', buss: 'data' } as never),
      /Did you mean 'bus'/,
    );
    assert.throws(() => memoryOutbox({ source: '/s', bus: 'log' as never }), /'event' or 'data'/);
  });
});
