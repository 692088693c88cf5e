import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { BusError, type StoredTopic } from '@duobus/core/driver';
import { Cluster } from 'ioredis';
import { cellsKey, groupsKeys, partitionKeys } from '../src/keys.ts';
import { soon } from './support/connection.ts';
import {
  at,
  Consumer,
  eventually,
  type Log,
  makeTopic,
  numbered,
  openLog,
  records,
} from './support/log.ts';

describe('groups on Redis', () => {
  let log: Log;

  before(async () => void (log = await openLog()));
  after(() => log.close());

  const client = () => {
    const { commands } = log.native;
    assert.ok(commands);
    return commands;
  };
  const keysOf = async (topic: StoredTopic): Promise<string[]> => {
    const redis = client();
    const nodes = redis instanceof Cluster ? redis.nodes('master') : [redis];
    const found = await Promise.all(nodes.map((node) => node.keys(`*${topic.name}*`)));
    return found.flat().toSorted();
  };

  it('go on where their pointer is', async () => {
    const topic = await makeTopic(log);
    await log.append(topic, 0, records(numbered(0, 10)), soon());
    const first = await Consumer.join(log, topic);
    await first.until(() => first.texts.length === 10, 'all records');
    const token = first.owned.get(0) ?? -1;
    const pointer = { place: at(4, 1), text: 'state' };
    assert.deepEqual(await first.member.commit([{ partition: 0, token, pointer }]), ['ok']);
    await first[Symbol.asyncDispose]();
    assert.deepEqual(await log.pointers(topic, 'g', soon()), [pointer]);
    await using second = await Consumer.join(log, topic);
    await second.until(() => second.texts.length === 6, 'the rest');
    assert.deepEqual(second.texts, numbered(4, 6));
    assert.deepEqual(
      second.ofType('assigned').map((event) => event.pointer),
      [pointer],
    );
  });

  it('fence who has lost a partition', async () => {
    const topic = await makeTopic(log);
    await using consumer = await Consumer.join(log, topic);
    await consumer.untilOwner(1);
    const token = consumer.owned.get(0) ?? -1;
    // as another owner's writing would: the version is another one
    const key = cellsKey(topic, 'g');
    const { 'partition/0': cell = '' } = await client().hgetall(key);
    await client().hset(
      key,
      'partition/0',
      `999999999:${cell.slice(cell.indexOf(':') + 1)}`.replace('"t":', '"o":"x","t":9'),
    );
    const write = { partition: 0, token, pointer: { place: at(0), text: '' } };
    assert.deepEqual(await consumer.member.commit([write]), ['fenced']);
  });

  it('never use a version twice, not even after they were removed', async () => {
    const topic = await makeTopic(log);
    const versions = new Set<string>();
    for (let n = 0; n < 3; n += 1) {
      const consumer = await Consumer.join(log, topic);
      await consumer.untilOwner(1);
      const cells = await client().hvals(cellsKey(topic, 'g'));
      for (const cell of cells) {
        const version = cell.slice(0, cell.indexOf(':'));
        assert.equal(versions.has(version), false);
        versions.add(version);
      }
      await consumer[Symbol.asyncDispose]();
      await log.removeGroup(topic, 'g', soon());
    }
  });

  it('hear of added partitions', async () => {
    const topic = await makeTopic(log);
    await using consumer = await Consumer.join(log, topic);
    await consumer.untilOwner(1);
    const next = { ...topic, partitions: 4 };
    await log.alterTopic(topic, next, soon());
    await consumer.untilOwner(4);
    await log.append(next, 3, records(['new']), soon());
    await consumer.until(() => consumer.texts.includes('new'), 'the record of the new partition');
  });

  it('share partitions, and take over from who is silent', async () => {
    await using quick = await openLog({ leaseMs: 1_000 });
    const topic = await makeTopic(quick, { partitions: 4 });
    const dying = await openLog({ leaseMs: 1_000 });
    const one = await Consumer.join(dying, topic);
    await one.untilOwner(4);
    await using two = await Consumer.join(quick, topic);
    await two.untilOwner(2);
    await one.until(() => one.owned.size === 2, 'two given up');
    await dying.close();
    await two.untilOwner(4);
    await one[Symbol.asyncDispose]();
  });

  it('are heard by readers at once, and by and by where nobody rings', async () => {
    const topic = await makeTopic(log);
    await using consumer = await Consumer.join(log, topic);
    await consumer.untilOwner(1);
    await log.append(topic, 0, records(['a']), soon());
    await consumer.until(() => consumer.texts.length === 1, 'a', 1_500);
    await client().xadd(partitionKeys(topic, 0).log, '*', 'event', '{"by":"others"}');
    await consumer.until(() => consumer.texts.length === 2, 'what somebody else has added');
    assert.deepEqual(consumer.texts, ['a', '{"by":"others"}']);
  });

  it('read no more than is taken', async () => {
    const topic = await makeTopic(log);
    const text = 'x'.repeat(1_000);
    for (let n = 0; n < 10; n += 1)
      await log.append(topic, 0, records(Array.from({ length: 400 }, () => text)), soon());
    const member = await log.join(topic, 'g', randomUUID(), soon());
    await using _ = { [Symbol.asyncDispose]: () => member.close() };
    const [assigned] = await member.receive(soon());
    assert.ok(assigned?.type === 'assigned');
    const { token } = assigned;
    member.start(0, token, at(0));
    let offset = 0;
    let events = 0;
    while (offset < 4_000) {
      for (const event of await member.receive(soon())) {
        assert.ok(event.type === 'records');
        events += 1;
        for (const record of event.records) {
          assert.equal(record.offset, offset);
          offset += 1;
        }
      }
      if (offset >= 2_000 && events > 0) {
        member.flow(0, token, false);
        member.flow(0, token, true);
      }
    }
    assert.ok(events >= 4, `${events} fetches`);
  });

  it('leave nothing behind when they are removed', async () => {
    const topic = await makeTopic(log);
    const before = await keysOf(topic);
    const consumer = await Consumer.join(log, topic, 'one');
    await consumer.untilOwner(1);
    const token = consumer.owned.get(0) ?? -1;
    await consumer.member.commit([{ partition: 0, token, pointer: { place: at(0), text: '' } }]);
    assert.deepEqual(await log.names(topic, soon()), ['one']);
    await assert.rejects(log.removeGroup(topic, 'one', soon()), (error) =>
      BusError.is(error, 'DUOBUS_CONFLICT'),
    );
    await consumer[Symbol.asyncDispose]();
    assert.deepEqual(await log.names(topic, soon()), ['one']);
    await log.removeGroup(topic, 'one', soon());
    assert.deepEqual(await log.names(topic, soon()), []);
    assert.deepEqual(await keysOf(topic), before);
    await eventually(
      () => client().smembers(groupsKeys(topic).names),
      (names) => names.length === 0,
    );
  });

  it('of a topic that was made anew are forgotten', async () => {
    const topic = await makeTopic(log);
    await log.edit(topic, 'g', () => ({ place: at(0), text: 'x' }), 1_000, soon());
    assert.deepEqual(await log.names(topic, soon()), ['g']);
    await client().hdel('{duobus}:topics', `data:${topic.name}`);
    await client().del(...(Object.values(partitionKeys(topic, 0)) as string[]));
    const again = await makeTopic(log, { name: topic.name });
    assert.deepEqual(await log.names(again, soon()), []);
    assert.deepEqual(await log.pointers(again, 'g', soon()), [undefined]);
    await assert.rejects(
      log.edit(topic, 'g', () => ({ place: at(0), text: 'x' }), 1_000, soon()),
      (error) => BusError.is(error, 'DUOBUS_NOT_FOUND'),
    );
  });
});
