import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { testUrl } from '@duobus/brokers';
import {
  BusError,
  type LogDriver,
  type StoredPointer,
  type StoredTopic,
} from '@duobus/core/driver';
import { Carrier } from '../src/carrier.ts';
import type { Broker } from '../src/client.ts';
import { optionsOfUrl, settingsOf } from '../src/options.ts';
import { deleteGroup } from '../src/pointer-edit.ts';
import { groupId } from '../src/topology.ts';
import {
  at,
  Consumer,
  eventually,
  makeTopic,
  numbered,
  openDriver,
  records,
  soon,
} from './support/driver.ts';

async function fill(driver: LogDriver, topic: StoredTopic, count: number): Promise<void> {
  for (let partition = 0; partition < topic.partitions; partition += 1)
    await driver.append(topic, partition, records(numbered(0, count)), soon());
}

const pointer = (offset: number, text = ''): StoredPointer => ({ place: at(offset), text });

/** What a broker answers cannot be had at will: that it is no longer the coordinator, then that it is still loading. */
class Moving extends Carrier {
  readonly answers = [16, 14];
  looked = 0;

  override call<T>(broker: Broker, verb: (broker: Broker) => Promise<T>): Promise<T> {
    return super.call(broker, (real) =>
      verb(
        Object.create(real, {
          deleteGroups: {
            value: async (ids: readonly string[]) => {
              const errorCode = this.answers.shift();
              return errorCode === undefined
                ? await real.deleteGroups(ids)
                : { results: ids.map((id) => ({ groupId: id, errorCode })) };
            },
          },
          findGroupCoordinator: {
            value: (request: Parameters<Broker['findGroupCoordinator']>[0]) => {
              this.looked += 1;
              return real.findGroupCoordinator(request);
            },
          },
        }),
      ),
    );
  }
}

describe('a group on Kafka', () => {
  let driver: LogDriver;
  let other: LogDriver;

  before(async () => {
    driver = await openDriver();
    other = await openDriver();
  });
  after(() => Promise.all([driver.close(), other.close()]));

  it('assigns every partition to its only member, which gets every record once and in order', async () => {
    const topic = await makeTopic(driver, { partitions: 3 });
    await fill(driver, topic, 20);
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.until(() => consumer.got.length >= 60, '60 records');
    for (let partition = 0; partition < 3; partition += 1) {
      assert.deepEqual(
        consumer.got.filter((one) => one.partition === partition).map(({ text }) => text),
        numbered(0, 20),
      );
    }
    await consumer.close();
    assert.equal(consumer.got.length, 60);
  });

  it('keeps pointer and text, and hands them to the next member', async () => {
    const topic = await makeTopic(driver);
    await fill(driver, topic, 10);
    const first = await Consumer.join(driver, topic, 'g');
    await first.untilOwning(2);
    assert.equal(await first.commit(1, 7, 'seven ✓'), 'ok');
    await first.close();
    assert.deepEqual(await driver.pointers(topic, 'g', soon()), [undefined, pointer(7, 'seven ✓')]);
    const second = await Consumer.join(other, topic, 'g');
    await second.until(() => second.got.length >= 13, '13 records');
    assert.deepEqual(
      second.got.filter(({ partition }) => partition === 1).map(({ offset }) => offset),
      [7, 8, 9],
    );
    await second.close();
  });

  it('fences a token that is not owned and refuses what is no place or too long', async () => {
    const topic = await makeTopic(driver);
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.untilOwning(2);
    const token = consumer.tokenOf(0);
    assert.deepEqual(
      await consumer.member.commit([{ partition: 0, token: token + 100, pointer: pointer(1) }]),
      ['fenced'],
    );
    assert.deepEqual(
      await consumer.member.commit([
        { partition: 0, token, pointer: pointer(1) },
        { partition: 1, token: 77, pointer: pointer(1) },
      ]),
      ['ok', 'fenced'],
    );
    await assert.rejects(
      consumer.member.commit([{ partition: 0, token, pointer: pointer(-1) }]),
      (error) => BusError.is(error, 'DUOBUS_INVALID'),
    );
    await assert.rejects(
      consumer.member.commit([{ partition: 0, token, pointer: pointer(1, 'x'.repeat(4_097)) }]),
      (error) => BusError.is(error, 'DUOBUS_TOO_LARGE'),
    );
    assert.deepEqual(await driver.pointers(topic, 'g', soon()), [pointer(1), undefined]);
    await consumer.close();
  });

  it('shares partitions evenly among members that come and go, without repeating or losing a record', async () => {
    const topic = await makeTopic(driver, { partitions: 6 });
    const group = 'g';
    const consumers: Consumer[] = [];
    let published = 0;
    const publish = async (): Promise<void> => {
      for (let partition = 0; partition < 6; partition += 1)
        await driver.append(topic, partition, records(numbered(published, 20)), soon());
      published += 20;
    };
    await publish();
    for (const joins of [driver, other, driver]) {
      const consumer = await Consumer.join(joins, topic, group);
      consumer.drainMs = 30;
      consumers.push(consumer);
      const share = 6 / consumers.length;
      await Promise.all(consumers.map((one) => one.untilOwning(share)));
      await publish();
    }
    const [, second] = consumers as [Consumer, Consumer, Consumer];
    // What it gets while it commits is not part of what it commits.
    const before = second.got.length;
    for (const [partition, offset] of second.next)
      if (second.owned.has(partition)) await second.commit(partition, offset);
    await second.close();
    assert.ok(second.got.length >= before);
    const left = consumers.filter((one) => one !== second);
    await Promise.all(left.map((one) => one.untilOwning(3)));
    await publish();
    const total = published * 6;
    const all = (): { partition: number; offset: number }[] => consumers.flatMap(({ got }) => got);
    await eventually(
      async () => new Set(all().map(({ partition, offset }) => `${partition}/${offset}`)).size,
      (size) => size === total,
    );
    const repeats = all().length - total;
    assert.ok(repeats <= second.got.length - before, `${repeats} records were repeated`);
    await Promise.all(left.map((one) => one.close()));
  });

  it('keeps partitions where they were when a member joins', async () => {
    const topic = await makeTopic(driver, { partitions: 4 });
    const first = await Consumer.join(driver, topic, 'g');
    await first.untilOwning(4);
    const second = await Consumer.join(other, topic, 'g');
    await Promise.all([first.untilOwning(2), second.untilOwning(2)]);
    const kept = [...first.owned.keys()];
    const third = await Consumer.join(other, topic, 'g');
    await third.untilOwning(1);
    await eventually(
      async () => first.owned.size + second.owned.size,
      (size) => size === 3,
    );
    assert.ok([...first.owned.keys()].every((partition) => kept.includes(partition)));
    await Promise.all([first, second, third].map((one) => one.close()));
  });

  it('never reuses a token and hands out nothing after revoking', async () => {
    const topic = await makeTopic(driver, { partitions: 2 });
    const first = await Consumer.join(driver, topic, 'g');
    first.drainMs = 600;
    await first.untilOwning(2);
    const stop = new AbortController();
    const publishing = (async () => {
      for (let round = 0; !stop.signal.aborted; round += 1) {
        await driver.append(topic, round % 2, records(numbered(round, 1)), soon());
      }
    })();
    const second = await Consumer.join(other, topic, 'g');
    await second.untilOwning(1);
    await first.untilOwning(1);
    stop.abort();
    await publishing;
    const tokens = first.events.flatMap((event) =>
      event.type === 'assigned' ? [event.token] : [],
    );
    assert.equal(new Set(tokens).size, tokens.length);
    const asked = new Set<number>();
    for (const event of first.events) {
      if (event.type === 'revoking') asked.add(event.token);
      assert.ok(event.type !== 'records' || !asked.has(event.token));
    }
    assert.ok(asked.size > 0);
    await Promise.all([first.close(), second.close()]);
  });

  it('hands out no more than what is on its way once the flow is closed, and goes on without a gap', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.untilOwning(1);
    const token = consumer.tokenOf(0);
    consumer.member.flow(0, token, false);
    for (let round = 0; round < 5; round += 1)
      await driver.append(topic, 0, records(numbered(round * 10, 10)), soon());
    await driver.read(topic, 0, at(50), { maxBytes: 1_000, maxWaitMs: 600 }, soon());
    assert.equal(consumer.got.length, 0);
    consumer.member.flow(0, token, true);
    await consumer.until(() => consumer.got.length >= 50, '50 records');
    assert.deepEqual(
      consumer.got.map(({ text }) => text),
      numbered(0, 50),
    );
    await consumer.close();
  });

  it('reads on from where start says, back and forth', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    await fill(driver, topic, 30);
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.until(() => consumer.got.length === 30, '30 records');
    consumer.got.length = 0;
    consumer.member.start(0, consumer.tokenOf(0), at(25));
    await consumer.until(() => consumer.got.length === 5, '5 records');
    assert.deepEqual(
      consumer.got.map(({ offset }) => offset),
      [25, 26, 27, 28, 29],
    );
    await consumer.close();
  });

  it('gives a partition up unasked', async () => {
    const topic = await makeTopic(driver, { partitions: 2 });
    const [first, second] = await Promise.all([
      Consumer.join(driver, topic, 'g'),
      Consumer.join(other, topic, 'g'),
    ]);
    await Promise.all([first.untilOwning(1), second.untilOwning(1)]);
    const [[partition, token] = [0, 0]] = [...first.owned];
    first.owned.delete(partition);
    await first.member.release(partition, token);
    assert.deepEqual(await first.member.commit([{ partition, token, pointer: pointer(1) }]), [
      'fenced',
    ]);
    await eventually(
      async () => first.owned.size + second.owned.size,
      (size) => size === 2,
    );
    await Promise.all([first.close(), second.close()]);
  });

  it('says trimmed, with the bounds, for a place that is not in the log, and stands until start is called', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    await fill(driver, topic, 5);
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.until(() => consumer.got.length === 5, '5 records');
    consumer.member.start(0, consumer.tokenOf(0), at(500));
    await consumer.until(() => consumer.events.some(({ type }) => type === 'trimmed'), 'trimmed');
    const trimmed = consumer.events.find((event) => event.type === 'trimmed');
    assert.deepEqual(
      trimmed?.type === 'trimmed' ? [trimmed.bounds.first.offset, trimmed.bounds.end.offset] : [],
      [0, 5],
    );
    consumer.member.start(0, consumer.tokenOf(0), at(3));
    await consumer.until(() => consumer.got.length === 7, '7 records');
    await consumer.close();
  });

  it('hands out added partitions while it runs', async () => {
    const topic = await makeTopic(driver, { partitions: 2 });
    const consumer = await Consumer.join(other, topic, 'g');
    await consumer.untilOwning(2);
    const altered = await driver.alterTopic(topic, { ...topic, partitions: 5 }, soon());
    assert.equal(altered.partitions, 5);
    await driver.append(altered, 4, records(['new']), soon());
    await consumer.untilOwning(5);
    await consumer.until(
      () => consumer.got.some(({ partition, text }) => partition === 4 && text === 'new'),
      'the record in the new partition',
    );
    await consumer.close();
  });

  it('names groups with and without members, and removes those without', async () => {
    const topic = await makeTopic(driver);
    const neighbour = await makeTopic(driver, { name: `${topic.name}-b` });
    assert.deepEqual(await driver.names(topic, soon()), []);
    await driver.edit(topic, 'idle', () => pointer(0), 1_000, soon());
    await driver.edit(neighbour, 'elsewhere', () => pointer(0), 1_000, soon());
    const consumer = await Consumer.join(driver, topic, 'running');
    await consumer.untilOwning(2);
    assert.deepEqual(await driver.names(topic, soon()), ['idle', 'running']);
    await assert.rejects(driver.removeGroup(topic, 'running', soon()), (error) =>
      BusError.is(error, 'DUOBUS_CONFLICT'),
    );
    await consumer.close();
    await driver.removeGroup(topic, 'running', soon());
    await driver.removeGroup(topic, 'idle', soon());
    await driver.removeGroup(topic, 'never-was', soon());
    assert.deepEqual(await driver.names(topic, soon()), []);
    assert.deepEqual(await driver.pointers(topic, 'idle', soon()), [undefined, undefined]);
    assert.deepEqual(await driver.names(neighbour, soon()), ['elsewhere']);
  });

  it('is removed although its coordinator was moving and still loading when it was asked', async () => {
    const topic = await makeTopic(driver);
    await driver.edit(topic, 'g', () => pointer(0), 1_000, soon());
    const carrier = new Moving(settingsOf(optionsOfUrl(testUrl('kafka'))));
    try {
      await deleteGroup(carrier, groupId(topic, 'g'), 'g', soon());
      assert.deepEqual(carrier.answers, []);
      assert.equal(carrier.looked, 3);
    } finally {
      carrier.close();
    }
    assert.deepEqual(await driver.names(topic, soon()), []);
  });

  it('does not make a topic by joining, and ends with gone when the topic is deleted', async () => {
    const topic = await makeTopic(driver);
    await assert.rejects(
      driver.join(
        { ...topic, name: 'never-made', incarnation: 'x' },
        'g',
        crypto.randomUUID(),
        soon(),
      ),
      (error) => BusError.is(error, 'DUOBUS_NOT_FOUND'),
    );
  });
});
