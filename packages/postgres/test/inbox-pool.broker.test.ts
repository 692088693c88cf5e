import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect, type Delivery, idempotent, topic } from '@duobus/core';
import { newKey, until, useServer, write } from './support/server.ts';

const orders = topic<{ readonly id: string }>('orders');

describe('postgresInbox over a small pool', () => {
  const server = useServer();

  it('runs ten handlers at a time, each with an effect of its own inside, over two connections', async () => {
    const pool = server.pool({ max: 2 });
    const inbox = await server.inbox(pool);
    const run = newKey();
    await using bus = await connect('memory:', { source: '/test', store: inbox });
    const handler = idempotent(
      async ({ id }: { readonly id: string }, delivery: Delivery, tx) => {
        await write(tx, `${run} outer ${id}`);
        await delivery.once('mail', async (own) => write(own as typeof tx, `${run} inner ${id}`));
      },
      { store: inbox, scope: 'orders' },
    );
    await bus.events.subscribe(orders, 'nested', handler, { concurrency: 10 });
    const ids = Array.from({ length: 40 }, (_, index) => String(index));
    await bus.events.publishMany(
      orders,
      ids.map((id) => ({ document: { id } })),
    );
    await until(async () => (await bus.events.depth(orders, 'nested')).total === 0);
    assert.equal((await server.effects(`${run} outer`)).length, 40);
    assert.equal((await server.effects(`${run} inner`)).length, 40);
  });

  it('refuses at once what a pool of one can never do, and says what to do', async () => {
    const inbox = await server.inbox(server.pool({ max: 1 }));
    const key = newKey();
    const run = inbox.transaction(key, async (tx) => {
      await write(tx, key);
      await inbox.transaction(newKey(), async () => undefined);
    });
    await assert.rejects(run, {
      code: 'DUOBUS_REJECTED',
      retryable: false,
      message: /max of the pool to at least 2/,
    });
    await assert.rejects(
      inbox.transaction(key, async () => void (await inbox.marks.begin(newKey(), 1000))),
      /max of the pool/,
    );
    assert.deepEqual(await server.effects(key), []);
    assert.equal((await inbox.transaction(key, async () => undefined)).result, 'new');
  });

  it('refuses at once the third of a kind where it would wait for itself', async () => {
    const inbox = await server.inbox(server.pool({ max: 2 }));
    const nest = (depth: number): Promise<unknown> =>
      inbox.transaction(newKey(), async () => (depth > 1 ? nest(depth - 1) : undefined));
    await nest(2);
    await assert.rejects(nest(3), {
      code: 'DUOBUS_REJECTED',
      message: /max of the pool to at least 3/,
    });
    const three = await server.inbox(server.pool({ max: 3 }));
    await three.transaction(newKey(), () =>
      three.transaction(newKey(), () => three.transaction(newKey(), async () => undefined)),
    );
  });

  it('refuses an effect inside of itself at once', async () => {
    const inbox = await server.inbox(server.pool());
    const key = newKey();
    await assert.rejects(
      inbox.transaction(key, () => inbox.transaction(key, async () => undefined)),
      { name: 'TypeError', message: /another scope/ },
    );
  });

  it('counts for nothing what goes on after its transaction', async () => {
    const inbox = await server.inbox(server.pool({ max: 1 }));
    const [key, other] = [newKey(), newKey()];
    let later: Promise<unknown> = Promise.resolve();
    let begin = (): void => undefined;
    const gate = new Promise<void>((resolve) => (begin = resolve));
    await inbox.transaction(key, async () => {
      later = gate.then(async () => [
        await inbox.transaction(key, async () => undefined),
        await inbox.transaction(other, async () => 'made'),
      ]);
    });
    begin();
    assert.deepEqual(await later, [{ result: 'done' }, { result: 'new', value: 'made' }]);
  });

  it('waits for a connection as long as it is told, and takes no harm from one that comes later', async () => {
    const pool = server.pool({ max: 2 });
    const inbox = await server.inbox(pool, { connectTimeoutMs: 50 });
    const held = [await pool.connect(), await pool.connect()];
    await assert.rejects(
      inbox.transaction(newKey(), () => assert.fail('runs')),
      { code: 'DUOBUS_UNAVAILABLE', retryable: true, message: /connectTimeoutMs.*max of the pool/ },
    );
    for (const client of held) client.release();
    await until(() => pool.waitingCount === 0 && pool.idleCount === 2);
    assert.equal((await inbox.transaction(newKey(), async () => undefined)).result, 'new');
  });

  it('stops waiting when the signal is aborted, for its turn and for a connection', async () => {
    const pool = server.pool({ max: 2 });
    const inbox = await server.inbox(pool);
    const reason = new Error('time is up');
    let end = (): void => undefined;
    let inside = false;
    const first = inbox.transaction(newKey(), async () => {
      inside = true;
      await new Promise<void>((resolve) => (end = resolve));
    });
    await until(() => inside);
    const abort = new AbortController();
    const waiting = inbox.transaction(newKey(), () => assert.fail('runs'), abort.signal);
    abort.abort(reason);
    await assert.rejects(waiting, (error) => error === reason);
    end();
    await first;
    const held = [await pool.connect(), await pool.connect()];
    const again = new AbortController();
    const connecting = inbox.transaction(newKey(), () => assert.fail('runs'), again.signal);
    await until(() => pool.waitingCount === 1);
    again.abort(reason);
    await assert.rejects(connecting, (error) => error === reason);
    for (const client of held) client.release();
    assert.equal((await inbox.transaction(newKey(), async () => undefined)).result, 'new');
  });

  it('says so when the pool has been ended', async () => {
    const pool = server.pool();
    const inbox = await server.inbox(pool);
    await pool.end();
    await assert.rejects(
      inbox.transaction(newKey(), async () => undefined),
      { code: 'DUOBUS_CLOSED' },
    );
  });
});
