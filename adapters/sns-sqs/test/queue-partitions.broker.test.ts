import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoredTopic } from '@duobus/core/driver';
import { TopicShelf } from '@duobus/object-log';
import { makePartitions } from '../src/queue-topic.ts';
import { ListSubscriptionsCommand } from '@aws-sdk/client-sns';
import { ListQueuesCommand } from '@aws-sdk/client-sqs';
import { Proxy } from './support/proxy.ts';
import { endpoint, soon } from './support/queue-connection.ts';
import {
  consume,
  eventually,
  openDriver,
  publish,
  record,
  subscription,
  type TestDriver,
  untilEmpty,
} from './support/queues.ts';
import { registration, reregister } from './support/registration.ts';

/** As a process that dies before it has made the queues. */
async function alterAndDie(
  { connection }: TestDriver,
  topic: StoredTopic,
  partitions: number,
): Promise<StoredTopic> {
  const next = { ...topic, partitions };
  await makePartitions(connection, next, soon());
  const shelf = new TopicShelf({
    store: connection.store,
    kind: 'event',
    root: connection.settings.root,
    make: () => assert.fail('nothing is to be made'),
    unmake: () => assert.fail('nothing is to be removed'),
  });
  return shelf.alter(topic, next, soon());
}

describe('partitions that are added to an event topic', () => {
  it('go to the members that are there', async () => {
    await using opened = await openDriver({ leaseMs: 8_000 });
    await using other = await openDriver();
    await using made = await subscription(opened, 'key', 2);
    const { topic } = made;
    const reader = await consume(opened, topic);
    await reader.until(({ assigned }) => assigned.length === 2);
    const more = await other.driver.alterTopic(topic, { ...topic, partitions: 4 }, soon());
    await publish(opened, more, 3, [record('k.1', 'k')]);
    await reader.take(1);
    assert.deepEqual(reader.assigned.toSorted(), [0, 1, 2, 3]);
    const event = reader.events.findLast(({ type }) => type === 'records');
    assert.ok(event?.type === 'records' && event.partition === 3);
    assert.deepEqual(await reader.done(...reader.leased), ['settled']);
    await reader.member.close();
    await untilEmpty(opened, topic);
  });

  it('have a queue of every subscription before anything is published to them, although who added them has died', async () => {
    await using opened = await openDriver();
    await using other = await openDriver();
    await using made = await subscription(opened, 'key', 2);
    const { topic } = made;
    await opened.driver.ensureSubscription(topic, 'second', 'create', soon());
    // both know from this that two partitions have queues
    for (const driver of [opened, other]) {
      await publish(driver, topic, 0, [record('before', 'k')]);
      const [outcome] = await driver.driver.publish(topic, 2, [record('x')], soon());
      assert.ok(outcome?.status === 'rejected' && outcome.error.retryable);
      assert.equal(outcome.error.code, 'DUOBUS_CONFLICT');
    }
    const more = await alterAndDie(opened, topic, 4);
    await Promise.all(
      [opened, other, opened].map((driver, at) =>
        publish(driver, more, 1 + at, [record(`k${at}`, `k${at}`)]),
      ),
    );
    for (const name of ['sub', 'second']) {
      const { queues } = await registration(opened, topic, name);
      assert.equal(new Set(queues.map(({ queueUrl }) => queueUrl)).size, 4);
      assert.equal((await opened.driver.inspect(topic, name, soon())).ready, 5);
    }
    const reader = await consume(other, more);
    await reader.drain(5);
    assert.deepEqual(reader.assigned.toSorted(), [0, 1, 2, 3]);
    await reader.member.close();
    await opened.driver.removeSubscription(topic, 'second', soon());
    await untilEmpty(opened, topic);
  });

  it('have a queue of a subscription that is made at the same time', async () => {
    await using opened = await openDriver();
    await using other = await openDriver();
    await using made = await subscription(opened, 'key', 1);
    const { topic } = made;
    const [more] = await Promise.all([
      other.driver.alterTopic(topic, { ...topic, partitions: 3 }, soon()),
      opened.driver.ensureSubscription(topic, 'second', 'create', soon()),
    ]);
    await publish(other, more, 2, [record('a', 'k')]);
    for (const name of ['sub', 'second']) {
      assert.equal((await registration(opened, topic, name)).queues.length, 3);
      assert.equal((await opened.driver.inspect(topic, name, soon())).ready, 1);
    }
    await opened.driver.removeSubscription(topic, 'second', soon());
  });

  it('have queues of their own in a subscription whose maker has died before it made them', async () => {
    await using opened = await openDriver();
    await using made = await subscription(opened, 'key', 1);
    const { topic } = made;
    const more = await opened.driver.alterTopic(topic, { ...topic, partitions: 2 }, soon());
    await reregister(opened, topic, (stored) => ({ ...stored, queues: stored.queues.slice(0, 1) }));
    await assert.rejects(
      opened.driver.ensureSubscription(more, 'sub', 'check', soon()),
      /has queues for 1 of 2 partitions: try again, or run once with topology 'create'/,
    );
    const reader = await consume(opened, more);
    await reader.until(({ assigned }) => assigned.length === 2);
    await publish(opened, more, 1, [record('a', 'k')]);
    await reader.take(1);
    const event = reader.events.findLast(({ type }) => type === 'records');
    assert.ok(event?.type === 'records' && event.partition === 1);
    assert.equal((await registration(opened, topic)).queues.length, 2);
    await reader.done(...reader.leased);
    await reader.member.close();
    await untilEmpty(opened, topic);
  });

  it('get nothing before every subscription has a queue for them, and hold up nothing else', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver();
    await using made = await subscription(opened, 'key', 2);
    const { topic } = made;
    const more = await alterAndDie(opened, topic, 3);
    // one that knows nothing of the topic yet
    await using through = await openDriver({ endpoint: proxy.url });
    proxy.fault = ({ action }) =>
      action === 'CreateQueue' ? { answer: 403, code: 'AccessDenied' } : undefined;
    const [refused] = await through.driver.publish(more, 2, [record('a', 'k')], soon());
    assert.equal(refused?.status, 'rejected');
    assert.equal(proxy.count('PublishBatch'), 0);
    for (const partition of [0, 1])
      await publish(through, more, partition, [record(`b${partition}`, 'k')]);
    proxy.fault = () => undefined;
    await publish(through, more, 2, [record('c', 'k')]);
    const reader = await consume(opened, more);
    await reader.drain(3);
    assert.deepEqual(reader.ids.toSorted(), ['b0', 'b1', 'c']);
    await reader.member.close();
  });

  it('leave nothing behind of a subscription that is removed at the same time', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver();
    await using made = await subscription(opened, 'key', 1);
    const { topic } = made;
    await opened.driver.ensureSubscription(topic, 'second', 'create', soon());
    const { uid } = await registration(opened, topic, 'second');
    const more = await alterAndDie(opened, topic, 2);
    await using through = await openDriver({ endpoint: proxy.url });
    // it waits there until the other has gone
    proxy.fault = ({ action, body }) =>
      action === 'Subscribe' && body.includes(uid) ? { answer: 404, code: 'NotFound' } : undefined;
    const published = publish(through, more, 1, [record('a', 'k')]);
    await eventually(
      async () =>
        proxy.seen.some(({ action, body }) => action === 'Subscribe' && body.includes(uid)),
      (waits) => waits,
    );
    await opened.driver.removeSubscription(topic, 'second', soon());
    proxy.fault = () => undefined;
    await published;
    const { sns, sqs } = opened.native;
    const { QueueUrls = [] } = await sqs.send(new ListQueuesCommand({}));
    assert.ok(QueueUrls.length < 1_000, 'all of them');
    assert.deepEqual(
      QueueUrls.filter((url) => url.includes(uid)),
      [],
    );
    const endpoints: string[] = [];
    for (let NextToken: string | undefined, first = true; first || NextToken !== undefined; ) {
      first = false;
      const page = await sns.send(new ListSubscriptionsCommand(NextToken ? { NextToken } : {}));
      endpoints.push(...(page.Subscriptions ?? []).map(({ Endpoint }) => Endpoint ?? ''));
      ({ NextToken } = page);
    }
    assert.ok(endpoints.some((each) => each.includes(topic.name)));
    assert.deepEqual(
      endpoints.filter((each) => each.includes(uid)),
      [],
    );
    await eventually(
      () => opened.driver.inspect(more, 'sub', soon()),
      ({ ready }) => ready === 1,
    );
  });
});
