import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { BusError, topic } from '@duobus/core';
import { manualClock } from '@duobus/core/testing';
import { type FailedDocument, type Outbox, startRelay } from '../src/index.ts';
import { type Order, Orders, type Stage, stage } from './support/stage.ts';

/** The same topic with another order than is stored: refused for good. */
const Wrong = topic<Order>('orders', { key: ({ key }) => key, order: 'key' });

const numbers = ({ got }: Stage): readonly number[] => got.map(({ n }) => n);
const count = (on: Stage, type: string): number =>
  on.events.filter((event) => event.type === type).length;

function writeWrong({ outbox }: Stage, key: string, n: number): string {
  const tx = outbox.begin();
  const id = outbox.publishSync(tx, Wrong, { key, n });
  tx.commit();
  return id;
}

describe('relay', () => {
  it('publishes what is committed as it was written, in order by key, and deletes it', async () => {
    await using on = await stage();
    const before = on.write('a', 1, 2, 3);
    const relay = await on.relay({ pollMs: 3_600_000 });
    await on.until(() => on.got.length === 3);
    const after = on.write('a', 4);
    on.outbox.begin().rollback();
    await on.until(() => on.got.length === 4);
    assert.deepEqual(
      on.got,
      [...before, ...after].map((id, at) => ({ n: at + 1, id, source: '/shop' })),
    );
    await relay.close();
    assert.equal((await on.outbox.lag()).rows, 0);
    assert.equal(relay.state, 'closed');
  });

  it('tries again what may not be stored, with the same id, before what is behind it', async () => {
    await using on = await stage();
    on.broker.failPublishes({ outcome: 'unknown', count: 3 });
    const ids = on.write('a', 1, 2, 3);
    await on.relay();
    await on.until(() => new Set(on.got.map(({ id }) => id)).size === 3);
    assert.deepEqual([...new Set(on.got.map(({ id }) => id))], ids);
  });

  it('sets aside what is refused: what is behind it waits, the rest goes on', async () => {
    await using on = await stage();
    const id = writeWrong(on, 'a', 1);
    on.write('a', 2);
    on.write('b', 3);
    on.write(undefined, 4);
    const relay = await on.relay();
    await on.until(() => on.got.length === 2 && count(on, 'set-aside') === 1);
    assert.deepEqual(numbers(on).toSorted(), [3, 4]);
    const failed: FailedDocument[] = [];
    for await (const one of on.outbox.failed()) failed.push(one);
    assert.deepEqual(
      failed.map((one) => [one.id, one.bus, one.topic, one.reason.code, one.attributes?.source]),
      [[id, 'event', 'orders', 'DUOBUS_TOPIC_MISMATCH', '/shop']],
    );
    const health = await relay.health();
    assert.equal(health.ok, false);
    assert.match(health.problems.join(), /1 documents are set aside/);
    const { rows, behind, setAside } = await on.outbox.lag();
    assert.deepEqual([rows, behind, setAside], [1, 1, 1]);
    await on.outbox.retry(id);
    await on.until(() => count(on, 'set-aside') === 2);
    assert.equal(on.got.length, 2);
    await on.outbox.discard(id);
    await on.until(() => on.got.length === 3);
    assert.equal(numbers(on)[2], 2);
    assert.equal((await relay.health()).ok, true);
    await assert.rejects(
      () => on.outbox.retry(id),
      (error) => BusError.is(error, 'DUOBUS_NOT_FOUND'),
    );
  });

  it('takes what its topics say before what was written with the documents', async () => {
    await using on = await stage();
    writeWrong(on, 'a', 1);
    await on.relay({ topics: [Orders] });
    await on.until(() => on.got.length === 1);
  });

  it('sets no more aside once too many in a row are refused, until one is published', async () => {
    await using on = await stage();
    for (let n = 1; n <= 6; n += 1) writeWrong(on, `k${n}`, n);
    const relay = await on.relay({ brakeAfter: 3, brakeMs: 30 });
    await on.until(() => count(on, 'retry') >= 6);
    assert.equal(count(on, 'set-aside'), 3);
    assert.match((await relay.health()).problems.join(), /in a row were refused/);
    on.write('good', 7);
    await on.until(() => count(on, 'set-aside') === 6);
    assert.deepEqual(numbers(on), [7]);
  });

  it('holds no more rows than it may, however many are waiting', async () => {
    await using on = await stage();
    for (let key = 0; key < 40; key += 1)
      on.write(`k${key}`, ...Array.from({ length: 50 }, (_, n) => key * 50 + n));
    let most = 0;
    const { store } = on.outbox;
    const watched: Outbox = {
      ...on.outbox,
      store: new Proxy(store, {
        get: (_, name: keyof typeof store) =>
          name === 'read'
            ? async (...given: Parameters<typeof store.read>) => {
                const batch = await store.read(...given);
                most = Math.max(most, given[1].heldRows.length + batch.rows.length);
                return batch;
              }
            : store[name].bind(store as never),
      }) as never,
    };
    await using relay = await startRelay(watched, on.bus, { maxDocuments: 100 });
    await on.until(() => on.got.length === 2_000);
    assert.equal(relay.state, 'active');
    assert.ok(most <= 100, `held ${most}`);
    for (let key = 0; key < 40; key += 1) {
      const ofKey = numbers(on).filter((n) => Math.floor(n / 50) === key);
      assert.deepEqual(
        ofKey,
        ofKey.toSorted((a, b) => a - b),
      );
    }
  });

  it('lets the others of a busy key wait, and other keys go on', async () => {
    await using on = await stage();
    on.write('busy', ...Array.from({ length: 3_000 }, (_, n) => n));
    on.write('other', -1);
    await on.relay({ maxDocuments: 100 });
    await on.until(() => on.got.length === 3_001);
    assert.ok(numbers(on).indexOf(-1) < 1_000);
    assert.deepEqual(
      numbers(on).filter((n) => n >= 0),
      Array.from({ length: 3_000 }, (_, n) => n),
    );
  });

  it('stands by while another is active, and takes over when that one closes', async () => {
    await using on = await stage();
    const first = await on.relay();
    const second = await on.relay();
    await on.until(() => count(on, 'state') === 2);
    assert.deepEqual([first.state, second.state], ['active', 'standby']);
    await first.close();
    on.write('a', 1);
    await on.until(() => on.got.length === 1);
    assert.equal(second.state, 'active');
    assert.equal((await second.health()).ok, true);
  });

  it('leaves everything to the one that took its lease', async () => {
    const clock = manualClock();
    await using on = await stage({ clock });
    const relay = await on.relay({ pollMs: 20, leaseMs: 1_000 });
    await clock.advance(60_000);
    const fence = await on.outbox.store.acquire('thief', 10_000_000);
    assert.ok(fence);
    await on.until(() => relay.state === 'standby');
    const [id] = on.write('a', 1);
    const { rows } = await on.outbox.store.read(fence, {
      rows: 10,
      bytes: 1_000,
      heldRows: [],
      heldLanes: [],
    });
    assert.deepEqual(
      rows.map((row) => row.id),
      [id],
    );
    assert.deepEqual(numbers(on), []);
  });

  it('goes on when the database comes back', async () => {
    await using on = await stage();
    let down = false;
    const { store } = on.outbox;
    const flaky: Outbox = {
      ...on.outbox,
      store: new Proxy(store, {
        get:
          (_, name: keyof typeof store) =>
          async (...given: never[]) => {
            if (down && name !== 'listen') throw new BusError('DUOBUS_UNAVAILABLE', 'down');
            return (store[name] as (...args: never[]) => unknown).call(store, ...given);
          },
      }) as never,
    };
    const errors: unknown[] = [];
    let failedTwice!: () => void;
    const gone = new Promise<void>((resolve) => {
      failedTwice = resolve;
    });
    await using relay = await startRelay(flaky, on.bus, {
      pollMs: 10,
      onEvent: (event) => {
        if (event.type === 'store' && errors.push(event.error) === 2) failedTwice();
      },
    });
    down = true;
    on.write('a', 1);
    await gone;
    const bad = await relay.health();
    assert.deepEqual([bad.ok, bad.lag], [false, undefined]);
    down = false;
    await on.until(() => on.got.length === 1);
    await relay.close();
    assert.equal((await on.outbox.lag()).rows, 0);
  });

  it('publishes when the broker comes back', async () => {
    await using on = await stage();
    on.broker.stop();
    const relay = await on.relay();
    const ids = on.write('a', 1, 2);
    await on.until(() => count(on, 'retry') > 0);
    assert.match((await relay.health()).problems.join(), /publishing fails/);
    on.broker.start();
    await on.until(() => new Set(on.got.map(({ id }) => id)).size === 2);
    assert.deepEqual([...new Set(on.got.map(({ id }) => id))], ids);
  });

  it('ends when the bus is closed, and says so', async () => {
    await using on = await stage();
    const relay = await on.relay({ pollMs: 10 });
    const ended = assert.rejects(relay.done, (error) => BusError.is(error, 'DUOBUS_CLOSED'));
    await on.bus.close();
    on.write('a', 1);
    await ended;
    assert.equal(relay.state, 'closed');
    assert.deepEqual((await relay.health()).problems, ['the relay is closed']);
    assert.equal((await on.outbox.lag()).rows, 1);
  });

  it('closes twice as once, and gives up what takes too long', async () => {
    await using on = await stage();
    on.broker.stop();
    const relay = await on.relay();
    on.write('a', 1);
    assert.equal(relay.close({ graceMs: 10 }), relay.close());
    await relay.close();
    await relay.done;
    assert.equal((await on.outbox.lag()).rows, 1);
    on.broker.start();
  });

  it('refuses wrong options', async () => {
    await using on = await stage();
    const wrong = [
      [{ pollms: 1 }, /unknown option 'pollms'. Did you mean 'pollMs'/],
      [{ leaseMs: 10 }, /leaseMs must be an integer/],
      [{ topics: ['orders'] }, /topics must be/],
      [{ onEvent: 'x' }, /onEvent must be/],
    ] as const;
    for (const [options, message] of wrong)
      await assert.rejects(startRelay(on.outbox, on.bus, options as never), message);
    await assert.rejects(startRelay({} as never, on.bus), /must be an outbox/);
    await assert.rejects(startRelay(on.outbox, {} as never), /must be a bus/);
    const relay = await on.relay();
    await assert.rejects(relay.close({ gracems: 1 } as never), TypeError);
  });

  it('lets the process end after close', async () => {
    const source = (file: string): string => JSON.stringify(import.meta.resolve(file));
    const program = `
      import { connect, topic } from ${source('@duobus/core')};
      import { memory } from ${source('@duobus/memory')};
      import { memoryOutbox, startRelay } from ${source('../src/index.ts')};
      const bus = await connect(memory(), { source: '/r' });
      const outbox = memoryOutbox({ source: '/s' });
      const relay = await startRelay(outbox, bus);
      const tx = outbox.begin();
      outbox.publishSync(tx, topic('t'), 1);
      tx.commit();
      await relay.close();
      await bus.close();
      console.log('closed');`;
    const run = promisify(execFile);
    const flags = ['--conditions=duobus:source', '--input-type=module', '--eval', program];
    const { stdout } = await run(process.execPath, flags, { timeout: 30_000 });
    assert.equal(stdout, 'closed\n');
  });
});
