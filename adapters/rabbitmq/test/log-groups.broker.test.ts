import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { connect } from 'amqplib';
import { nodeUrls, startBroker, testUrl } from '@duobus/brokers';
import type { AmqpConnection, AmqpMessage } from '../src/client.ts';
import { groupStream } from '../src/topology.ts';
import { soon } from './support/driver.ts';
import {
  append,
  boundsOf,
  Consumer,
  makeLog,
  numbered,
  openLog,
  small,
  type TestLog,
  textOf,
} from './support/log.ts';

/** The stream has a line with this text. */
async function untilWritten(driver: TestLog, stream: string, text: string): Promise<void> {
  const channel = await driver.native.consumeConnection?.createChannel();
  assert.ok(channel !== undefined);
  await channel.prefetch(100);
  await new Promise<void>((resolve, reject) => {
    const look = (message: AmqpMessage | null): void => {
      if (message === null) return reject(new Error(`'${stream}' is gone`));
      channel.ack(message as never);
      if (message.content.includes(text)) resolve();
    };
    channel.consume(stream, look, { arguments: { 'x-stream-offset': 'first' } }).catch(reject);
  });
  await channel.close();
}

describe('groups', () => {
  it('share partitions, and pointers move with them', async () => {
    await using driver = await openLog();
    await using other = await openLog();
    const topic = await makeLog(driver, { partitions: 4 });
    await using first = await Consumer.join(driver, topic);
    await first.untilOwning(4);
    for (let partition = 0; partition < 4; partition += 1)
      assert.equal(await first.commit(10 + partition, partition), 'ok');
    await using second = await Consumer.join(other, topic);
    await second.untilOwning(2);
    await first.untilOwning(2);
    const moved = second.events.filter((event) => event.type === 'assigned');
    assert.deepEqual(
      moved.map(({ partition, pointer }) => [partition, pointer?.place.offset]),
      moved.map(({ partition }) => [partition, 10 + partition]),
    );
    assert.deepEqual(await other.names(topic, soon()), ['group']);
  });

  it('never let an owner write that was taken for dead, though it can still publish', async () => {
    const [url] = nodeUrls(testUrl('rabbitmq'));
    const made: AmqpConnection[] = [];
    // it does not give itself up before it is thawed
    await using frozen = await openLog({
      groupLeaseMs: 30_000,
      connect: async (purpose) => {
        const connection = (await connect(url, { noDelay: true })) as unknown as AmqpConnection;
        if (purpose === 'consume') made.push(connection);
        return connection;
      },
    });
    await using driver = await openLog();
    const topic = await makeLog(driver);
    await using stale = await Consumer.join(frozen, topic);
    await stale.untilOwning(1);
    assert.equal(await stale.commit(5), 'ok');
    const token = stale.token();
    const { stream } = (made[0] as unknown as { connection: { stream: Duplex } }).connection;
    const resume = freeze(stream);
    await using successor = await Consumer.join(driver, topic);
    await successor.untilOwning(1);
    assert.equal(await successor.commit(7), 'ok');
    const writing = stale.member.commit([
      { partition: 0, token, pointer: { place: { offset: 6, time: 0 }, text: 'stale' } },
    ]);
    // it is published, while its writer cannot read what has become of it
    await untilWritten(driver, groupStream(topic.name, 'group'), 'stale');
    resume();
    assert.deepEqual(await writing, ['fenced']);
    const [pointer] = await driver.pointers(topic, 'group', soon());
    assert.equal(pointer?.place.offset, 7);
  });

  it('hand over when a process dies: at once, from what it had written', async () => {
    const groupLeaseMs = 60_000;
    await using driver = await openLog({ groupLeaseMs });
    await using doomed = await openLog({ groupLeaseMs });
    const topic = await makeLog(driver);
    await using dead = await Consumer.join(doomed, topic);
    await dead.untilOwning(1);
    await dead.commit(3);
    await using heir = await Consumer.join(driver, topic);
    await doomed.native.publishConnection?.close();
    await doomed.native.consumeConnection?.close();
    await heir.untilOwning(1);
    const assigned = heir.events.find((event) => event.type === 'assigned');
    assert.equal(assigned?.pointer?.place.offset, 3);
  });

  it('are edited by any process, running or not, and removed when nobody is in them', async () => {
    await using driver = await openLog();
    await using other = await openLog();
    const topic = await makeLog(driver, { partitions: 2 });
    const to = (offset: number) => () => ({ place: { offset, time: 0 }, text: 'edited' });
    assert.deepEqual(await other.pointers(topic, 'group', soon()), [undefined, undefined]);
    {
      await using running = await Consumer.join(driver, topic);
      await running.untilOwning(2);
      await running.commit(9);
      await other.edit(topic, 'group', to(4), 5_000, soon());
      assert.deepEqual(
        (await driver.pointers(topic, 'group', soon())).map((pointer) => pointer?.place.offset),
        [4, 4],
      );
      await running.untilOwning(2);
      await assert.rejects(() => other.removeGroup(topic, 'group', soon()), {
        code: 'DUOBUS_CONFLICT',
      });
    }
    await other.edit(topic, 'group', to(2), 5_000, soon());
    await driver.removeGroup(topic, 'group', soon());
    assert.deepEqual(await other.pointers(topic, 'group', soon()), [undefined, undefined]);
    assert.deepEqual(await other.names(topic, soon()), []);
    await using anew = await Consumer.join(other, topic);
    await anew.untilOwning(2);
    assert.equal(await anew.commit(1), 'ok');
  });

  it('are found from a snapshot where their stream has lost its beginning', async () => {
    await using driver = await openLog();
    const topic = await makeLog(driver);
    const queue = groupStream(topic.name, 'group');
    const connection = await connect(nodeUrls(testUrl('rabbitmq'))[0]);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue(queue, {
      durable: true,
      arguments: {
        'x-queue-type': 'stream',
        'x-max-length-bytes': 400_000,
        'x-stream-max-segment-size-bytes': 100_000,
      },
    });
    channel.sendToQueue(queue, Buffer.alloc(0), { persistent: true, type: 'duobus.group.genesis' });
    await channel.waitForConfirms();
    await using consumer = await Consumer.join(driver, topic);
    await consumer.untilOwning(1);
    for (let offset = 1; offset <= 4_000; offset += 1)
      assert.equal(await consumer.commit(offset), 'ok');
    await using fresh = await openLog();
    const [pointer] = await fresh.pointers(topic, 'group', soon());
    assert.equal(pointer?.place.offset, 4_000);
    await channel.prefetch(1);
    const first = await new Promise<number>((resolve) => {
      const from = { arguments: { 'x-stream-offset': 'first' } };
      void channel.consume(
        queue,
        (message) => resolve(Number(message?.properties.headers?.['x-stream-offset'])),
        from,
      );
    });
    await connection.close();
    assert.ok(first > 0, 'the stream has lost its beginning');
  });
});

describe('readers', () => {
  it('take places that the broker uses itself for what they are', async () => {
    await using driver = await openLog();
    const topic = await makeLog(driver, { retention: { maxAgeMs: null, maxBytes: 8_000_000 } });
    await using consumer = await Consumer.join(driver, topic);
    await consumer.untilOwning(1);
    for (let from = 0; from < 3_000; from += 200)
      await append(driver, topic, numbered(from, 200), { padding: 1_000 });
    await consumer.until(() => consumer.texts.length === 3_000, 'it has read all');
    assert.deepEqual(consumer.texts, numbered(0, 3_000));
    const jumps = consumer.got.filter(
      ({ offset }, index) => index > 0 && offset - (consumer.got[index - 1]?.offset ?? 0) > 1,
    );
    assert.ok(jumps.length > 0, 'segments have ended');
    assert.deepEqual(
      consumer.events.filter(({ type }) => type === 'trimmed'),
      [],
    );
  });

  it('say so when retention has passed them, wherever they stand', async () => {
    await using driver = await openLog();
    const topic = await makeLog(driver, { retention: small });
    await append(driver, topic, ['a']);
    await using consumer = await Consumer.join(driver, topic);
    await consumer.until(() => consumer.texts.length === 1, 'it has begun');
    consumer.member.flow(0, consumer.token(), false);
    for (let from = 0; from < 3_000; from += 100)
      await append(driver, topic, numbered(from, 100), { padding: 2_000 });
    consumer.member.flow(0, consumer.token(), true);
    await consumer.until(
      () => consumer.events.some(({ type }) => type === 'trimmed'),
      'it is told what it has lost',
    );
    const seen = consumer.got.map(textOf).slice(1);
    assert.deepEqual(seen, numbered(0, seen.length), 'nothing is left out before it is told');
    const told = consumer.events.find((event) => event.type === 'trimmed');
    const { first, end } = await boundsOf(driver, topic);
    assert.equal(told?.bounds.end.offset, end.offset);
    for (const offset of [1, end.offset + 3]) {
      const before = consumer.events.length;
      consumer.member.start(0, consumer.token(), { offset, time: 0 });
      await consumer.until(() => consumer.events.length > before, 'it is told again');
      assert.equal(consumer.events.at(-1)?.type, 'trimmed', `from ${offset}`);
    }
    consumer.got.length = 0;
    consumer.member.start(0, consumer.token(), first);
    await consumer.until(() => consumer.texts.at(-1) === '2999', 'it goes on with what is kept');
  });

  it('outlive the consumer timeout of the broker, idle, paused and following', async () => {
    await using broker = await startBroker('rabbitmq@4.0');
    await broker.ctl(
      'eval',
      'application:set_env(rabbit, consumer_timeout, 4000), application:set_env(rabbit, channel_tick_interval, 500).',
    );
    await using driver = await openLog({ url: broker.url, consumerTimeoutMs: 4_000 });
    const topic = await makeLog(driver);
    await using idle = await Consumer.join(driver, topic, 'idle');
    await using paused = await Consumer.join(driver, topic, 'paused');
    await append(driver, topic, ['a']);
    await idle.until(() => idle.texts.length === 1, 'the idle one has read');
    await paused.until(() => paused.texts.length === 1, 'the paused one has read');
    paused.member.flow(0, paused.token(), false);
    await append(driver, topic, ['b']);
    let from = (await boundsOf(driver, topic)).first;
    const follow = async (): Promise<void> => {
      const wait = { maxBytes: 1_000_000, maxWaitMs: 200 };
      from = (await driver.read(topic, 0, from, wait, soon())).next;
    };
    const until = Date.now() + 12_000;
    while (Date.now() < until) await follow();
    await append(driver, topic, ['c']);
    paused.member.flow(0, paused.token(), true);
    for (const consumer of [idle, paused]) {
      await consumer.until(() => consumer.texts.length === 3, 'it goes on');
      assert.deepEqual(consumer.texts, ['a', 'b', 'c']);
      assert.ok(consumer.events.every(({ type }) => type === 'assigned' || type === 'records'));
    }
  });
});

/** What comes from the broker is not read any more, until the answer is called. */
function freeze(stream: Duplex): () => void {
  const listeners = stream.listeners('readable') as (() => void)[];
  stream.removeAllListeners('readable');
  return () => {
    for (const listener of listeners) stream.on('readable', listener);
    stream.emit('readable');
  };
}
