import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, topic } from '@duobus/core';
import type { OutboundRecord } from '@duobus/core/driver';
import { eventually } from './support/eventually.ts';
import { MemoryCloud, never, shelve, topicOf } from './support/memory-log.ts';
import type { MemoryStore } from './support/memory-store.ts';
import { readAll } from './support/read-all.ts';

const batch = (count: number): readonly OutboundRecord[] =>
  Array.from({ length: count }, (_, n) => ({
    key: `k${n}`,
    headers: {},
    body: Buffer.from(`document ${n}`),
  }));

const told = ({ requests: { get, put, list } }: MemoryStore): string =>
  `${put} puts, ${list} lists, ${get} gets`;

/** Resolves when nothing has been asked for a while. */
async function quiet({ asked }: MemoryStore): Promise<void> {
  for (let before = -1; before !== asked.length; ) {
    before = asked.length;
    await sleep(100);
  }
}

describe('requests', () => {
  it('to append 1,000 documents in ten calls are one for each, and one to find the end', async (t) => {
    const cloud = new MemoryCloud();
    const data = topicOf();
    const { driver, store } = cloud.process();
    for (let n = 0; n < 10; n += 1) await driver.append(data, 0, batch(100), never);
    t.diagnostic(told(store));
    assert.deepEqual([store.requests.put, store.requests.list, store.requests.get], [10, 1, 0]);
    await driver.close();
  });

  it('to append calls that overlap are fewer than calls', async (t) => {
    const cloud = new MemoryCloud();
    const data = topicOf();
    const { driver, store } = cloud.process();
    await Promise.all(Array.from({ length: 100 }, () => driver.append(data, 0, batch(10), never)));
    t.diagnostic(told(store));
    assert.ok(store.requests.put <= 2);
    await driver.close();
  });

  it('to read 1,000 documents in ten segments are one for each and a few to find the end', async (t) => {
    const cloud = new MemoryCloud();
    const data = topicOf();
    const writer = cloud.process().driver;
    for (let n = 0; n < 10; n += 1) await writer.append(data, 0, batch(100), never);
    const { driver, store } = cloud.process();
    assert.equal((await readAll(driver, data, 0)).length, 1_000);
    t.diagnostic(told(store));
    assert.ok(store.requests.get <= 20 && store.requests.list <= 3, told(store));
    await driver.close();
    await writer.close();
  });

  it('of a group that follows a publisher are about one get for each segment', async (t) => {
    const cloud = new MemoryCloud();
    const data = topicOf();
    const writer = cloud.process().driver;
    await shelve(writer, data);
    const { driver, store } = cloud.process({ leaseMs: 600_000 });
    const member = await driver.join(data, 'work', 'me', never);
    const seen = { records: 0, assigned: 0 };
    const take = async (): Promise<void> => {
      for (const event of await member.receive(AbortSignal.timeout(20_000))) {
        if (event.type === 'assigned') {
          member.start(event.partition, event.token, { offset: 0, time: 0 });
          seen.assigned += 1;
        } else if (event.type === 'records') seen.records += event.records.length;
      }
    };
    while (seen.assigned === 0) await take();
    await quiet(store);
    store.reset();
    for (let n = 1; n <= 100; n += 1) {
      await writer.append(data, 0, batch(10), never);
      while (seen.records < n * 10) await take();
    }
    t.diagnostic(told(store));
    const { get, list, put } = store.requests;
    assert.ok(get <= 115 && list <= 1 && put <= 1, told(store));
    await member.close();
    await driver.close();
    await writer.close();
  });

  it('of an idle hour of a group with one member are few', async (t) => {
    // 75 times as fast as with a lease of 30 s
    const faster = 75;
    const cloud = new MemoryCloud();
    const data = topicOf({ partitions: 4 });
    const { driver, store } = cloud.process({
      leaseMs: 30_000 / faster,
      lookEveryMs: 20_000 / faster,
    });
    await shelve(driver, data);
    const member = await driver.join(data, 'work', 'me', never);
    for (let owned = 0; owned < 4; )
      for (const event of await member.receive(AbortSignal.timeout(20_000))) {
        if (event.type !== 'assigned') continue;
        owned += 1;
        member.start(event.partition, event.token, { offset: 0, time: 0 });
      }
    t.after(async () => {
      await member.close();
      await driver.close();
    });
    store.reset();
    const began = performance.now();
    await eventually(() => store.requests.put >= 24);
    const hours = ((performance.now() - began) * faster) / 3_600_000;
    const perHour = (count: number): number => Math.round(count / hours);
    const { get, put, list } = store.requests;
    // the number of partitions is asked for every 9 s, however fast the clock
    t.diagnostic(
      `an idle hour: ${perHour(put)} puts, ${perHour(list)} lists, ${perHour(get) + 400} gets`,
    );
    // a sign of life every 7.5 s, and all else in proportion to it
    assert.ok(list <= put * 1.6, `${list} lists with ${put} puts`);
    assert.ok(
      get <= put * 3,
      `${get} gets with ${put} puts: a look at each of 4 partitions every 20 s`,
    );
  });

  it('of the whole data bus for 1,000 documents, published and handled, are some tens', async (t) => {
    const cloud = new MemoryCloud();
    const { driver, store } = cloud.process({ leaseMs: 30_000 });
    const bus = await connect({ name: 'object-log', log: driver }, { source: '/costs' });
    const Costs = topic<{ n: number }>('costs', { partitions: 2, key: ({ n }) => `k${n % 50}` });
    let handled = 0;
    await bus.data.subscribe(Costs, 'work', () => {
      handled += 1;
    });
    store.reset();
    await Promise.all(Array.from({ length: 1_000 }, (_, n) => bus.data.publish(Costs, { n })));
    await eventually(() => handled === 1_000);
    t.diagnostic(told(store));
    assert.ok(store.cost < 500, `${told(store)}: as much as ${store.cost} gets`);
    await bus.close();
  });
});
