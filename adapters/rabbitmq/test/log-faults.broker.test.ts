import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Broker, startBroker } from '@duobus/brokers';
import { patiently, soon } from './support/driver.ts';
import { append, Consumer, makeLog, numbered, openLog, readAll, textOf } from './support/log.ts';

describe('a broker that is killed', () => {
  let broker: Broker;
  before(async () => {
    broker = await startBroker('rabbitmq');
  });
  after(() => broker.stop());

  it('has what it has confirmed of a topic and a group that were made a moment before', async () => {
    await using driver = await openLog({ url: broker.url });
    const topic = await makeLog(driver);
    {
      await using consumer = await Consumer.join(driver, topic);
      await consumer.untilOwning(1);
      await append(driver, topic, numbered(0, 100));
      await consumer.until(() => consumer.texts.length === 100, 'it has read all');
      assert.equal(await consumer.commit(40), 'ok');
      await broker.kill9();
      await broker.start();
      await consumer.until(() => consumer.events.some(({ type }) => type === 'lost'), 'it is lost');
    }
    const records = await patiently(driver, () => readAll(driver, topic));
    assert.deepEqual(records.map(textOf), numbered(0, 100));
    const [pointer] = await patiently(driver, () => driver.pointers(topic, 'group', soon()));
    assert.equal(pointer?.place.offset, 40);
    assert.deepEqual(await driver.names(topic, soon()), ['group']);
    await using next = await Consumer.join(driver, topic);
    await next.untilOwning(1);
    await next.until(() => next.texts.length === 61, 'it goes on at the pointer');
  });

  it('has every stream that something was confirmed in, be it as new as can be', async () => {
    await using driver = await openLog({ url: broker.url });
    for (let round = 0; round < 3; round += 1) {
      const topic = await patiently(driver, () => makeLog(driver, { partitions: 3 }));
      for (let partition = 0; partition < 3; partition += 1)
        await append(driver, topic, ['a', 'b'], { partition });
      await broker.kill9();
      await broker.start();
      const bounds = await patiently(driver, () => driver.bounds(topic, soon()));
      assert.deepEqual(
        bounds.map(({ first, end }) => end.offset - first.offset),
        [2, 2, 2],
      );
    }
  });
});
