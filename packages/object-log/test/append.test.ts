import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, connect, topic as dataTopic } from '@duobus/core';
import type { LogDriver, OutboundRecord, Outcome, StoredTopic } from '@duobus/core/driver';
import { readAll } from './support/read-all.ts';
import { MemoryCloud, never, topicOf } from './support/memory-log.ts';
import { calm, MemoryStore, type Weather } from './support/memory-store.ts';
import { randomFrom } from './support/random.ts';

const recordOf = (text: string): OutboundRecord => ({
  key: text.split('-')[0],
  headers: {},
  body: Buffer.from(text),
});

/** As the runtime does: an array whose outcome is not known is given again, what is certainly not stored is sent anew. */
async function publish(
  driver: LogDriver,
  topic: StoredTopic,
  records: readonly OutboundRecord[],
): Promise<readonly number[]> {
  for (;;) {
    let outcomes = await driver.append(topic, 0, records, never);
    while (outcomes.some(({ status }) => status === 'unknown'))
      outcomes = await driver.append(topic, 0, records, never);
    if (outcomes.every(({ status }) => status === 'stored')) return outcomes.map(offsetOf);
    assert.ok(outcomes.every(({ status }) => status === 'rejected'));
    records = [...records];
  }
}

const offsetOf = (outcome: Outcome): number => {
  assert.equal(outcome.status, 'stored');
  return outcome.status === 'stored' ? (outcome.place?.offset ?? -1) : -1;
};

async function race(publishers: number, rounds: number, weather: Weather, seed: number) {
  const random = randomFrom(seed);
  const cloud = new MemoryCloud();
  const topic = topicOf();
  const confirmed = new Map<string, number>();
  const stores: MemoryStore[] = [];
  await Promise.all(
    Array.from({ length: publishers }, async (_, publisher) => {
      const store = new MemoryStore(cloud.objects, random);
      store.weather = { ...weather };
      stores.push(store);
      const { driver } = cloud.process({}, store);
      let n = 0;
      for (let round = 0; round < rounds; round += 1) {
        const records = Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
          n += 1;
          return recordOf(`p${publisher}-${n}`);
        });
        const offsets = await publish(driver, topic, records);
        records.forEach((record, at) => confirmed.set(String(record.body), offsets[at] as number));
      }
      store.weather = { ...calm };
      await store.settled();
      await driver.close();
    }),
  );
  const { driver } = cloud.process();
  const records = await readAll(driver, topic, 0);
  await driver.close();
  const puts = stores.reduce((sum, { requests }) => sum + requests.put, 0);
  const segments = cloud.objects.keys.filter((key) => key.includes('/log/')).length;
  return { records, confirmed, puts, segments, stores };
}

function check({ records, confirmed }: Awaited<ReturnType<typeof race>>): void {
  const texts = records.map(({ body }) => String(body));
  assert.deepEqual(
    records.map(({ offset }) => offset),
    records.map((_, at) => at),
    'the log is dense',
  );
  assert.equal(new Set(texts).size, texts.length, 'nothing is there twice');
  assert.equal(texts.length, confirmed.size, 'everything is there');
  for (const { offset, body } of records) assert.equal(confirmed.get(String(body)), offset);
  const last = new Map<string, number>();
  for (const text of texts) {
    const [publisher = '', n] = text.split('-');
    assert.ok(Number(n) > (last.get(publisher) ?? 0), 'each publisher is in its order');
    last.set(publisher, Number(n));
  }
}

describe('append', () => {
  it('stores what 16 publishers of one partition append, once and in their order', async (t) => {
    const found = await race(16, 20, { ...calm, latencyMs: 10 }, 1);
    check(found);
    const { puts, segments } = found;
    t.diagnostic(`${puts} puts for ${segments} segments`);
    assert.ok(puts / segments < 5, `${puts} puts for ${segments} segments`);
  });

  for (const seed of [1, 2, 3, 4])
    it(`stores once what was sent again, whatever has been lost on the way (${seed})`, async () => {
      const weather = { latencyMs: 2, refused: 0.1, silent: 0.15, late: 0.1, lateMs: 40 };
      check(await race(seed === 1 ? 16 : 4, 20, weather, seed));
    });

  it('keeps order and stores once where calls of a bus overlap and fail', async (t) => {
    const cloud = new MemoryCloud();
    const Race = dataTopic<{ n: number; by: number }>('race', {
      partitions: 1,
      key: ({ by }) => `p${by}`,
    });
    const stores: MemoryStore[] = [];
    const buses = await Promise.all(
      Array.from({ length: 6 }, async (_, by) => {
        const store = new MemoryStore(cloud.objects, randomFrom(by));
        stores.push(store);
        const { driver } = cloud.process({}, store);
        const bus = await connect({ name: 'object-log', log: driver }, { source: `/p${by}` });
        await bus.data.topics.ensure(Race);
        store.weather = { latencyMs: 2, refused: 0.05, silent: 0.05, late: 0.05, lateMs: 40 };
        return bus;
      }),
    );
    const positions = new Map<string, string>();
    await Promise.all(
      buses.map(async (bus, by) => {
        const publishing: Promise<void>[] = [];
        for (let n = 1; n <= 150; n += 1) {
          publishing.push(
            bus.data.publish(Race, { n, by }).then(({ position = '' }) => {
              positions.set(`${by}-${n}`, position);
            }),
          );
          if (n % 3 === 0) await sleep(5);
        }
        await Promise.all(publishing);
      }),
    );
    for (const store of stores) store.weather = { ...calm };
    await Promise.all(stores.map((store) => store.settled()));
    const last = new Map<number, number>();
    let found = 0;
    for await (const { document, position } of (buses[0] as Bus).data.read(Race)) {
      assert.ok(document !== undefined);
      const { by, n } = document;
      assert.equal(n, (last.get(by) ?? 0) + 1, 'each publisher is in its order, without a gap');
      assert.equal(positions.get(`${by}-${n}`), position);
      last.set(by, n);
      found += 1;
    }
    assert.equal(found, 900);
    const puts = stores.reduce((sum, { requests }) => sum + requests.put, 0);
    t.diagnostic(`${puts} puts for 900 documents`);
    await Promise.all(buses.map((bus) => bus.close()));
  });
});
