import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { LogDriver, StoredPointer, StoredTopic } from '@duobus/core/driver';
import { at, Consumer, makeTopic, numbered, openDriver, records, soon } from './support/driver.ts';

const pointer = (offset: number, text = ''): StoredPointer => ({ place: at(offset), text });

async function filled(driver: LogDriver, partitions: number, count: number): Promise<StoredTopic> {
  const topic = await makeTopic(driver, { partitions });
  for (let partition = 0; partition < partitions; partition += 1)
    await driver.append(topic, partition, records(numbered(0, count)), soon());
  return topic;
}

describe('changing pointers on Kafka', () => {
  let driver: LogDriver;
  let other: LogDriver;

  before(async () => {
    driver = await openDriver();
    other = await openDriver();
  });
  after(() => Promise.all([driver.close(), other.close()]));

  it('shows what is stored and writes what is answered, for a group without members', async () => {
    const topic = await filled(driver, 3, 5);
    assert.deepEqual(
      await driver.edit(
        topic,
        'g',
        (partition) => (partition === 1 ? undefined : pointer(partition + 1, 'a')),
        1_000,
        soon(),
      ),
      { superseded: false },
    );
    const seen: (StoredPointer | undefined)[] = [];
    await driver.edit(
      topic,
      'g',
      (partition, stored) => {
        seen[partition] = stored;
        return partition === 0 ? pointer(0, 'b') : undefined;
      },
      1_000,
      soon(),
    );
    assert.deepEqual(seen, [pointer(1, 'a'), undefined, pointer(3, 'a')]);
    assert.deepEqual(await other.pointers(topic, 'g', soon()), [
      pointer(0, 'b'),
      undefined,
      pointer(3, 'a'),
    ]);
  });

  it('asks running owners to stop for a reset, and they go on from the new pointers', async () => {
    const topic = await filled(driver, 4, 20);
    const consumers = await Promise.all([
      Consumer.join(driver, topic, 'g'),
      Consumer.join(other, topic, 'g'),
    ]);
    await Promise.all(
      consumers.map((one) =>
        one.until(
          () =>
            one.owned.size === 2 &&
            [...one.owned.keys()].every((partition) => one.next.get(partition) === 20),
          'everything',
        ),
      ),
    );
    for (const one of consumers) {
      for (const partition of one.owned.keys()) assert.equal(await one.commit(partition, 20), 'ok');
      one.got.length = 0;
      one.events.length = 0;
    }
    const seen: (string | undefined)[] = [];
    await other.edit(
      topic,
      'g',
      (partition, stored) => {
        seen[partition] = stored?.text;
        return pointer(10 + partition, 'reset');
      },
      5_000,
      soon(),
    );
    assert.deepEqual(seen, ['text-20', 'text-20', 'text-20', 'text-20']);
    await Promise.all(
      consumers.map((one) => one.until(() => one.owned.size === 2, 'owning again')),
    );
    await Promise.all(
      consumers.map((one) =>
        one.until(
          () => [...one.owned.keys()].every((partition) => one.next.get(partition) === 20),
          'reading to the end',
        ),
      ),
    );
    const got = consumers.flatMap((one) => one.got);
    for (let partition = 0; partition < 4; partition += 1) {
      assert.deepEqual(
        got.filter((one) => one.partition === partition).map(({ offset }) => offset),
        numbered(10 + partition, 10 - partition).map(Number),
      );
    }
    for (const one of consumers) {
      const causes = one.events.flatMap((event) =>
        event.type === 'revoking' ? [event.cause] : [],
      );
      assert.ok(causes.includes('reset'));
      await one.close();
    }
  });

  it('lets no commit under an earlier token land after it', async () => {
    const topic = await filled(driver, 2, 20);
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.untilOwning(2);
    const tokens = new Map(consumer.owned);
    const stop = new AbortController();
    let fenced = 0;
    const stale = (async () => {
      while (!stop.signal.aborted) {
        for (const [partition, token] of tokens) {
          const [result] = await consumer.member.commit([
            { partition, token, pointer: pointer(19, 'stale') },
          ]);
          if (result === 'fenced') fenced += 1;
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let round = 0; round < 5; round += 1) {
      await driver.edit(topic, 'g', () => pointer(round, `reset-${round}`), 5_000, soon());
      assert.deepEqual(await other.pointers(topic, 'g', soon()), [
        pointer(round, `reset-${round}`),
        pointer(round, `reset-${round}`),
      ]);
      await consumer.untilOwning(2);
    }
    stop.abort();
    await stale;
    assert.ok(fenced > 0);
    assert.deepEqual(await other.pointers(topic, 'g', soon()), [
      pointer(4, 'reset-4'),
      pointer(4, 'reset-4'),
    ]);
    await consumer.close();
  });

  it('writes nothing when every answer is to leave', async () => {
    const topic = await filled(driver, 2, 5);
    await driver.edit(topic, 'g', () => undefined, 1_000, soon());
    assert.deepEqual(await driver.pointers(topic, 'g', soon()), [undefined, undefined]);
  });

  it('serialises edits of several processes, the last wins, earlier ones are told', async () => {
    const topic = await filled(driver, 2, 5);
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.untilOwning(2);
    const epochs: number[] = [];
    const edit = (on: LogDriver): Promise<{ superseded: boolean }> =>
      on.edit(
        topic,
        'g',
        (partition, stored) => {
          const epoch = Number(stored?.text || 0) + 1;
          if (partition === 0) epochs.push(epoch);
          return pointer(0, String(epoch));
        },
        3_000,
        soon(),
      );
    const results = await Promise.all([edit(driver), edit(other), edit(driver), edit(other)]);
    assert.deepEqual(epochs, [1, 2, 3, 4]);
    assert.deepEqual(
      (await driver.pointers(topic, 'g', soon())).map((stored) => stored?.text),
      ['4', '4'],
    );
    assert.equal(results.filter(({ superseded }) => !superseded).length, 1);
    await consumer.close();
  });

  it('puts out members that are silent, after the grace time', async () => {
    const topic = await filled(driver, 2, 5);
    const silent = await driver.join(topic, 'g', crypto.randomUUID(), soon());
    const first = await silent.receive(soon());
    assert.equal(first[0]?.type, 'assigned');
    const began = Date.now();
    await other.edit(topic, 'g', () => pointer(3, 'reset'), 500, soon());
    assert.ok(Date.now() - began < 5_000);
    const token = first[0]?.type === 'assigned' ? first[0].token : 0;
    assert.deepEqual(await silent.commit([{ partition: 0, token, pointer: pointer(1, 'late') }]), [
      'fenced',
    ]);
    assert.deepEqual(await driver.pointers(topic, 'g', soon()), [
      pointer(3, 'reset'),
      pointer(3, 'reset'),
    ]);
    await silent.close();
  });
});
