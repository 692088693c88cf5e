import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GetSubscriptionAttributesCommand } from '@aws-sdk/client-sns';
import { GetQueueAttributesCommand, ListQueuesCommand } from '@aws-sdk/client-sqs';
import { BusError } from '@duobus/core/driver';
import { Proxy } from './support/proxy.ts';
import { endpoint, soon } from './support/queue-connection.ts';
import {
  consume,
  eventually,
  idOf,
  objectsOf,
  openDriver,
  publish,
  range,
  record,
  records,
  subscription,
  type TestDriver,
  untilEmpty,
  wantedTopic,
} from './support/queues.ts';
import { registration } from './support/registration.ts';

const queuesOf = async ({ native }: TestDriver, part: string): Promise<readonly string[]> => {
  const { QueueUrls = [] } = await native.sqs.send(new ListQueuesCommand({}));
  return QueueUrls.filter((url) => url.includes(part));
};

describe('queues on SNS and SQS', () => {
  it('hands every document to every subscription, and forgets it once it is done', async () => {
    await using opened = await openDriver();
    const { driver } = opened;
    await using made = await subscription(opened);
    const { topic } = made;
    assert.equal(await driver.ensureSubscription(topic, 'sub', 'create', soon()), 'existed');
    assert.equal(await driver.ensureSubscription(topic, 'other', 'create', soon()), 'created');
    const ids = range(57).map((n) => `n${n}`);
    await publish(opened, topic, 0, records(...ids));
    const reader = await consume(opened, topic);
    await reader.take(ids.length);
    assert.deepEqual(reader.ids.toSorted(), ids.toSorted());
    assert.ok(reader.leased.every(({ redelivered, state }) => !redelivered && state === undefined));
    assert.deepEqual([...new Set(await reader.done(...reader.leased))], ['settled']);
    await untilEmpty(opened, topic);
    assert.equal((await driver.inspect(topic, 'other', soon())).ready, ids.length);
    assert.deepEqual(await driver.names(topic, soon()), ['other', 'sub']);
    await driver.removeSubscription(topic, 'other', soon());
    assert.deepEqual(await driver.names(topic, soon()), ['sub']);
    await reader.member.close();
    assert.deepEqual(await objectsOf(opened, topic), ['subscriptions/sub']);
  });

  it('makes queues that only their topic may send to, with names that SQS takes', async () => {
    await using opened = await openDriver({ prefix: 'long-prefix' });
    const { driver, native } = opened;
    for (const order of ['none', 'key'] as const) {
      const wanted = { ...wantedTopic(order), name: `t.${'x'.repeat(70)}` };
      const topic = await driver.ensureTopic(
        { ...wanted, name: `${wanted.name}${order}` },
        'create',
        soon(),
      );
      await driver.ensureSubscription(topic, 's'.repeat(80), 'create', soon());
      const { uid, state, queues } = await registration(opened, topic, 's'.repeat(80));
      const [{ queueUrl, subscriptionArn }] = queues;
      assert.equal(state, 'ready');
      const name = queueUrl.split('/').at(-1) ?? '';
      assert.ok(name.length <= 80 && name.includes(uid), name);
      assert.equal(name.endsWith('.fifo'), order === 'key');
      const { Attributes = {} } = await native.sqs.send(
        new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['All'] }),
      );
      const topicArn = subscriptionArn.split(':').slice(0, -1).join(':');
      assert.ok((topicArn.split(':').at(-1) ?? '').length <= 80);
      assert.deepEqual(JSON.parse(Attributes.Policy ?? ''), {
        Version: '2012-10-17',
        Statement: [
          {
            Sid: 'duobus',
            Effect: 'Allow',
            Principal: { Service: 'sns.amazonaws.com' },
            Action: 'sqs:SendMessage',
            Resource: Attributes.QueueArn,
            Condition: { ArnEquals: { 'aws:SourceArn': topicArn } },
          },
        ],
      });
      assert.equal(Attributes.MessageRetentionPeriod, '1209600');
      if (order === 'key') {
        assert.equal(Attributes.DeduplicationScope, 'messageGroup');
        assert.equal(Attributes.FifoThroughputLimit, 'perMessageGroupId');
      }
      const subscribed = await native.sns.send(
        new GetSubscriptionAttributesCommand({ SubscriptionArn: subscriptionArn }),
      );
      assert.equal(subscribed.Attributes?.['RawMessageDelivery'], 'true');
      assert.deepEqual(JSON.parse(subscribed.Attributes?.['FilterPolicy'] ?? ''), {
        'duobus-to': [{ exists: false }, uid],
      });
      await driver.removeSubscription(topic, 's'.repeat(80), soon());
      assert.deepEqual(await queuesOf(opened, uid), []);
      assert.deepEqual(await objectsOf(opened, topic), []);
    }
  });

  it('keeps what a consumer holds, however long a handler takes, and takes back what a dead one held', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url });
    await using other = await openDriver();
    await using made = await subscription(other);
    const { topic } = made;
    await publish(opened, topic, 0, records('slow', 'dies'));
    const reader = await consume(opened, topic);
    await reader.take(2);
    const second = await consume(other, topic);
    const until = Date.now() + 5_000;
    await assert.rejects(
      second.until(() => false, until - Date.now()),
      /in vain/,
    );
    assert.deepEqual(second.ids, []);
    assert.deepEqual(await reader.done(reader.find('slow')), ['settled']);
    proxy.fault = () => 'cut';
    await second.take(1);
    assert.deepEqual(second.ids, ['dies']);
    assert.equal(second.find('dies').redelivered, true);
    assert.deepEqual(await second.done(second.find('dies')), ['settled']);
    await second.member.close();
    await untilEmpty(other, topic);
  });

  it('retries later and with a state, and gives back without a trace of a death', async () => {
    await using opened = await openDriver();
    await using made = await subscription(opened);
    const { topic } = made;
    await publish(opened, topic, 0, records('again', 'back', 'noted'));
    const reader = await consume(opened, topic);
    await reader.take(3);
    const at = Date.now();
    assert.deepEqual(
      await reader.member.settle([
        { token: reader.find('again').token, verdict: 'again', delayMs: 1_100, state: 'second' },
        { token: reader.find('back').token, verdict: 'back', state: 'given back' },
      ]),
      ['settled', 'settled'],
    );
    assert.deepEqual(await reader.done(...reader.leased.slice(0, 2)), ['lost', 'lost']);
    assert.equal(await reader.member.note(reader.find('noted').token, 'on trial'), 'kept');
    assert.equal(await reader.member.note(reader.find('noted').token, 'on trial still'), 'kept');
    await reader.take(5);
    assert.ok(Date.now() - at >= 1_100);
    const seen = (id: string): unknown[] => [reader.find(id).redelivered, reader.find(id).state];
    assert.deepEqual(seen('again'), [false, 'second']);
    assert.deepEqual(seen('back'), [false, 'given back']);
    await reader.member.close();
    const next = await consume(opened, topic);
    await next.take(3);
    assert.deepEqual(
      next.leased.map((each) => [idOf(each), each.redelivered, each.state]).toSorted(),
      [
        ['again', true, 'second'],
        ['back', true, 'given back'],
        ['noted', true, 'on trial still'],
      ],
    );
    await next.done(...next.leased);
    await next.member.close();
    await untilEmpty(opened, topic);
    assert.deepEqual(await objectsOf(opened, topic), ['subscriptions/sub']);
  });

  it('stops at once, and gives back what comes for a request that still runs', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({
      endpoint: proxy.url,
      pollMs: 5_000,
      visibilityMs: 30_000,
    });
    await using made = await subscription(opened);
    const { topic } = made;
    const receiving = (): number => proxy.open('ReceiveMessage');
    const reader = await consume(opened, topic);
    await eventually(
      async () => receiving(),
      (open) => open === 1,
    );
    await reader.member.stop();
    await reader.member.close();
    assert.equal(receiving(), 1, 'it did not wait for the request');
    await assert.rejects(reader.member.receive(soon()), (error) =>
      BusError.is(error, 'DUOBUS_CLOSED'),
    );
    await publish(opened, topic, 0, records('late'));
    const next = await consume(opened, topic);
    // long before it would come back by itself
    await next.until(({ leased }) => leased.length === 1, 15_000);
    assert.equal(next.find('late').redelivered, false);
    assert.deepEqual(await next.done(next.find('late')), ['settled']);
    await next.member.close();
    await untilEmpty(opened, topic);
  });

  it('takes what comes after a long wait for its own, for as long as its visibility', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({
      endpoint: proxy.url,
      pollMs: 6_000,
      visibilityMs: 2_000,
    });
    await using made = await subscription(opened);
    const { topic } = made;
    const reader = await consume(opened, topic);
    await eventually(
      async () => proxy.open('ReceiveMessage'),
      (open) => open === 1,
    );
    // longer than a document is hidden: what is taken then was not there when it was asked for
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    assert.equal(proxy.open('ReceiveMessage'), 1);
    await publish(opened, topic, 0, records('late'));
    await reader.take(1);
    assert.equal(reader.find('late').redelivered, false);
    const extended = (): number => proxy.count('ChangeMessageVisibilityBatch');
    await eventually(
      async () => extended(),
      (count) => count >= 3,
    );
    assert.deepEqual(await reader.done(reader.find('late')), ['settled']);
    assert.deepEqual(reader.ids, ['late']);
    await reader.member.close();
  });

  it('hands out no more than its credit', async () => {
    await using opened = await openDriver();
    await using made = await subscription(opened);
    const { topic } = made;
    await publish(opened, topic, 0, records(...range(40).map(String)));
    const reader = await consume(opened, topic, 'main', 7);
    await reader.take(7);
    await assert.rejects(
      reader.until(() => false, 1_000),
      /in vain/,
    );
    assert.equal(reader.leased.length, 7);
    await reader.done(...reader.leased.slice(0, 3));
    await reader.take(10);
    assert.equal(reader.leased.length, 10);
    await reader.done(...reader.leased.slice(3));
    await reader.member.close();
    const counts = await eventually(
      () => opened.driver.inspect(topic, 'sub', soon()),
      ({ leased }) => leased === 0,
    );
    assert.equal(counts.ready, 30);
  });

  it('ends when the subscription is removed, and creates nothing when it is only to check', async () => {
    await using opened = await openDriver();
    const { driver } = opened;
    const made = await subscription(opened);
    const { topic } = made;
    const reader = await consume(opened, topic);
    await made[Symbol.asyncDispose]();
    await reader.until(({ events }) => events.some(({ type }) => type === 'gone'));
    await reader.member.close();
    const missing = (error: unknown): boolean => BusError.is(error, 'DUOBUS_NOT_FOUND');
    await assert.rejects(driver.ensureSubscription(topic, 'sub', 'check', soon()), missing);
    await assert.rejects(driver.inspect(topic, 'sub', soon()), missing);
    await assert.rejects(driver.consume(topic, 'sub', 'main', 1, soon()), missing);
    await assert.rejects(driver.consume(topic, 'sub', 'dead', 1, soon()), missing);
    await driver.removeSubscription(topic, 'sub', soon());
    assert.deepEqual(await objectsOf(opened, topic), []);
  });

  it('refuses what SNS would not take, and nothing else with it', async () => {
    await using opened = await openDriver();
    await using made = await subscription(opened);
    const { topic } = made;
    const large = record('large', undefined, `"${'x'.repeat(262_144)}"`);
    const binary = { ...record('binary'), body: Buffer.alloc(190_000, 1) };
    const outcomes = await opened.driver.publish(
      topic,
      0,
      [record('a'), large, binary, record('b', undefined, `"${'x'.repeat(253_000)}"`)],
      soon(),
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['stored', 'rejected', 'stored', 'stored'],
    );
    const [, refused] = outcomes;
    assert.ok(refused?.status === 'rejected' && refused.error.code === 'DUOBUS_TOO_LARGE');
    const reader = await consume(opened, topic);
    await reader.take(3);
    assert.deepEqual(reader.ids.toSorted(), ['a', 'b', 'binary']);
    assert.deepEqual(Buffer.from(reader.find('binary').body ?? []), binary.body);
    await reader.done(...reader.leased);
    await reader.member.close();
  });
});
