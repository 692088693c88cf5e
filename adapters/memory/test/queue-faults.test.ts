import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError } from '@duobus/core/driver';
import { connected, record, signal, take, text } from './support/drivers.ts';
import { subscribed, taken } from './support/subscribed.ts';

describe('queue driver, faults', () => {
  it('does not call redelivered what no consumer can have seen', async () => {
    const { queue, topic, broker } = await subscribed();
    await queue.consume(topic, 'billing', 'main', 10, signal);
    await queue.publish(topic, 0, [record('1')], signal);
    broker.cutMembers('orders', 'billing');
    const [one] = await taken(await queue.consume(topic, 'billing', 'main', 10, signal));
    assert.equal(one?.redelivered, false);
  });

  it('says of what is published while the connection is cut that it is certainly not stored', async () => {
    const { queue, topic, broker } = await subscribed();
    broker.cut();
    const [outcome] = await queue.publish(topic, 0, [record('1')], signal);
    assert.ok(outcome?.status === 'rejected' && outcome.error.retryable);
    await queue.open(signal);
    assert.equal((await queue.inspect(topic, 'billing', signal)).ready, 0);
  });

  it('fails publishes as told', async () => {
    const { queue, topic, broker } = await subscribed();
    broker.failPublishes({ outcome: 'rejected', count: 2 });
    broker.failPublishes({ outcome: 'unknown', stored: true });
    broker.failPublishes({ outcome: 'unknown' });
    const outcomes = await queue.publish(
      topic,
      0,
      ['1', '2', '3', '4', '5'].map((name) => record(name)),
      signal,
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected', 'unknown', 'unknown', 'stored'],
    );
    const member = await queue.consume(topic, 'billing', 'main', 10, signal);
    assert.deepEqual((await taken(member)).map(text), ['3', '5']);
  });

  it('keeps everything over a restart but the consumers', async () => {
    const { queue, topic, broker } = await subscribed();
    await queue.publish(topic, 0, [record('1')], signal);
    const member = await queue.consume(topic, 'billing', 'main', 10, signal);
    await take(member);
    broker.stop();
    assert.deepEqual(
      (await take(member)).map(({ type }) => type),
      ['lost'],
    );
    const away = (error: unknown): boolean =>
      BusError.is(error, 'DUOBUS_UNAVAILABLE') && error.retryable;
    await assert.rejects(queue.inspect(topic, 'billing', signal), away);
    await assert.rejects(queue.open(signal), away);
    broker.start();
    await assert.rejects(queue.inspect(topic, 'billing', signal), away);
    await queue.open(signal);
    assert.equal((await queue.inspect(topic, 'billing', signal)).ready, 1);
  });

  it('cuts one bus and leaves the other alone', async () => {
    const { queue, topic, broker } = await subscribed();
    const other = await connected(broker);
    const [mine, theirs] = [
      await queue.consume(topic, 'billing', 'main', 1, signal),
      await other.queue.consume(topic, 'billing', 'main', 1, signal),
    ];
    const [connection] = [...broker.connections].filter(({ members }) =>
      [...members].some((member) => (member as unknown) === mine),
    );
    connection?.cut('test');
    assert.deepEqual(
      (await take(mine)).map(({ type }) => type),
      ['lost'],
    );
    assert.deepEqual(await take(theirs), []);
  });

  it('answers DUOBUS_CLOSED after close, and lets a waiting receive go', async () => {
    const { queue, topic } = await subscribed();
    const closed = (error: unknown): boolean => BusError.is(error, 'DUOBUS_CLOSED');
    const member = await queue.consume(topic, 'billing', 'main', 1, signal);
    const waiting = assert.rejects(member.receive(signal), closed);
    await member.close();
    await member.close();
    await waiting;
    await assert.rejects(member.settle([]), closed);
    await queue.close();
    await queue.close();
    await assert.rejects(queue.topics(undefined, signal), closed);
    await assert.rejects(queue.open(signal), closed);
  });
});
