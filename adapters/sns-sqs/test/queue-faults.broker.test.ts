import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PublishCommand } from '@aws-sdk/client-sns';
import { ChangeMessageVisibilityCommand } from '@aws-sdk/client-sqs';
import { endpoint, soon } from './support/queue-connection.ts';
import { type Fault, Proxy } from './support/proxy.ts';
import {
  consume,
  eventually,
  idOf,
  objectsOf,
  openDriver,
  publish,
  range,
  type Reader,
  records,
  subscription,
  untilEmpty,
} from './support/queues.ts';
import { registration } from './support/registration.ts';

/** The same numbers again for the same seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Settles what comes, until there is nothing more. Counts by id how often something came as if for the first time. */
async function work(
  reader: Reader,
  seen: Map<string, number>,
  holds: () => Promise<number>,
): Promise<void> {
  for (let from = 0; ; from = reader.events.length) {
    while (reader.events.length === from) {
      await reader
        .until(({ events }) => events.length > from, 500)
        .catch(async (error: unknown) => {
          if (!(error instanceof DOMException)) throw error;
        });
      if ((await holds()) === 0) return;
    }
    if (reader.events.some(({ type }) => type === 'lost')) return;
    const fresh = reader.events
      .slice(from)
      .flatMap((event) => (event.type === 'records' ? event.records : []));
    for (const each of fresh)
      seen.set(idOf(each), (seen.get(idOf(each)) ?? 0) + (each.redelivered ? 0 : 1));
    await reader.done(...fresh);
  }
}

interface Receipt {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
}

describe('what may go wrong between a process and SNS and SQS', () => {
  it('loses nothing under errors, throttling, lost answers and partial failures, and repeats only with a cause', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url });
    await using other = await openDriver();
    await using made = await subscription(opened);
    const { topic } = made;
    const ids = range(200).map((n) => `n${n}`);
    for (const from of [0, 100])
      await publish(opened, topic, 0, records(...ids.slice(from, from + 100)));
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = generator(seed);
    const faults: Fault[] = [
      { answer: 503, code: 'ServiceUnavailable' },
      { answer: 400, code: 'ThrottlingException' },
      'lose',
      'cut',
    ];
    proxy.fault = ({ action }) => {
      if (random() < 0.2) return faults[Math.floor(random() * faults.length)];
      if (action.endsWith('Batch') && random() < 0.3)
        return { fail: [0], code: 'InternalError', senderFault: false };
      return undefined;
    };
    const seen = new Map<string, number>();
    let members = 0;
    const holds = async (): Promise<number> => {
      const { ready, leased = 0 } = await other.driver.inspect(topic, 'sub', soon());
      return ready + leased;
    };
    const signal = soon(60_000);
    while (seen.size < ids.length || (await holds()) > 0) {
      signal.throwIfAborted();
      const reader = await consume(opened, topic, 'main', 50).catch(() => undefined);
      if (reader === undefined) continue;
      members += 1;
      // as the runtime: a member that has failed is given up, and another opened
      await work(reader, seen, holds).catch(() => undefined);
      await reader.member.close();
    }
    proxy.fault = () => undefined;
    assert.deepEqual([...seen.keys()].toSorted(), ids.toSorted());
    assert.deepEqual(
      [...seen].filter(([, unexplained]) => unexplained > 1),
      [],
      `seed ${seed}`,
    );
    assert.ok(members < 20, `${members} members, seed ${seed}`);
  });

  it('marks as repeated what SQS hands out twice, and settles it once', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url, visibilityMs: 10_000 });
    await using made = await subscription(opened);
    const { topic } = made;
    const ids = range(30).map((n) => `n${n}`);
    await publish(opened, topic, 0, records(...ids));
    let twice = 0;
    proxy.fault = ({ action, body }) =>
      action === 'ReceiveMessage'
        ? {
            answerWith: (answer) => {
              const messages = (answer['Messages'] ?? []) as Receipt[];
              const { QueueUrl } = JSON.parse(body) as { readonly QueueUrl: string };
              for (const { ReceiptHandle } of messages.slice(0, twice < 8 ? 2 : 0)) {
                twice += 1;
                setTimeout(() => {
                  void opened.native.sqs
                    .send(
                      new ChangeMessageVisibilityCommand({
                        QueueUrl,
                        ReceiptHandle,
                        VisibilityTimeout: 0,
                      }),
                    )
                    .catch(() => undefined);
                }, 50);
              }
              return { ...answer, Messages: messages.toReversed() };
            },
          }
        : undefined;
    const reader = await consume(opened, topic);
    await reader.take(ids.length);
    await reader.until(({ leased }) => leased.some(({ redelivered }) => redelivered), 5_000);
    const first = reader.leased.slice(0, ids.length);
    assert.ok(first.filter(({ redelivered }) => !redelivered).length > 0);
    for (const id of ids) {
      const handed = reader.leased.filter((each) => idOf(each) === id);
      assert.deepEqual(
        handed.slice(1).map(({ redelivered }) => redelivered),
        handed.slice(1).map(() => true),
      );
    }
    proxy.fault = () => undefined;
    await reader.done(...reader.leased);
    await reader.member.close();
    const next = await consume(opened, topic);
    const { ready, leased = 0 } = await opened.driver.inspect(topic, 'sub', soon());
    if (ready + leased > 0) await next.drain(ready + leased);
    await next.member.close();
    await untilEmpty(opened, topic);
  });

  it('has back soon what came in an answer that was lost', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url });
    await using made = await subscription(opened);
    const { topic } = made;
    await publish(opened, topic, 0, records('a', 'b'));
    let lost = 0;
    proxy.fault = ({ action }) => {
      if (action !== 'ReceiveMessage' || lost > 0) return undefined;
      lost += 1;
      return 'lose';
    };
    const reader = await consume(opened, topic);
    await reader.take(2);
    assert.ok(reader.leased.every(({ redelivered }) => redelivered));
    await reader.done(...reader.leased);
    await reader.member.close();
    await untilEmpty(opened, topic);
  });

  it('is lost when SQS stays away, and says so', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url });
    await using made = await subscription(opened);
    const reader = await consume(opened, made.topic);
    proxy.fault = ({ action }) => (action === 'ReceiveMessage' ? 'cut' : undefined);
    await reader.until(({ events }) => events.some(({ type }) => type === 'lost'));
    await reader.member.close();
  });

  it('hands out nothing, and settles nothing, that may be somebody else’s by now', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url });
    await using other = await openDriver();
    await using made = await subscription(opened);
    const { topic } = made;
    await publish(opened, topic, 0, records('seen'));
    const frozen = await consume(opened, topic);
    await frozen.take(1);
    await publish(opened, topic, 0, records('unseen'));
    await eventually(
      () => other.driver.inspect(topic, 'sub', soon()),
      ({ leased }) => leased === 2,
    );
    proxy.fault = ({ action }) => (action === 'GET' ? undefined : { answer: 503 });
    const next = await consume(other, topic);
    await next.take(2);
    assert.deepEqual(await frozen.done(...frozen.leased), ['lost']);
    assert.equal(await frozen.member.note(frozen.find('seen').token, 'x'), 'lost');
    proxy.fault = () => undefined;
    await assert.rejects(
      frozen.until(() => false, 500),
      /in vain/,
    );
    assert.deepEqual(frozen.ids, ['seen']);
    assert.deepEqual(await next.done(...next.leased), ['settled', 'settled']);
    await next.member.close();
    await frozen.member.close();
    await untilEmpty(opened, topic);
  });

  it('waits until a subscription is in effect, however long that takes', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url });
    const { driver } = opened;
    await using made = await subscription(opened);
    const { topic } = made;
    let lost = 0;
    proxy.fault = ({ action }) => {
      if (action !== 'Publish' || lost >= 2) return undefined;
      lost += 1;
      return {
        answer: 200,
        code: 'an answer to a probe that goes nowhere: effect is not there yet',
      };
    };
    const making = driver.ensureSubscription(topic, 'late', 'create', soon());
    await eventually(
      async () => lost,
      (count) => count > 0,
    );
    // what is published meanwhile may be seen or not
    await publish(opened, topic, 0, records('between'));
    assert.equal(await making, 'created');
    assert.equal(lost, 2);
    assert.ok(proxy.count('Publish') >= 3 + 3 + lost);
    await publish(opened, topic, 0, records('after'));
    const { ready } = await driver.inspect(topic, 'late', soon());
    assert.ok(ready === 1 || ready === 2);
    await driver.removeSubscription(topic, 'late', soon());
    assert.equal((await driver.inspect(topic, 'sub', soon())).ready, 2);
  });

  it('finishes what others have begun to make or to remove, and lets one of several create', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url });
    await using other = await openDriver();
    await using made = await subscription(opened);
    const { topic } = made;
    for (const action of ['CreateQueue', 'Subscribe', 'Publish', 'ReceiveMessage']) {
      proxy.fault = (seen) => (seen.action === action ? 'lose' : undefined);
      await assert.rejects(opened.driver.ensureSubscription(topic, 'half', 'create', soon(3_000)));
      proxy.fault = () => undefined;
      const results = await Promise.all(
        [opened, other, opened].map(({ driver }) =>
          driver.ensureSubscription(topic, 'half', 'create', soon()),
        ),
      );
      assert.deepEqual(results.toSorted(), ['created', 'existed', 'existed'], action);
      proxy.fault = (seen) => (seen.action === 'DeleteQueue' ? 'cut' : undefined);
      await assert.rejects(opened.driver.removeSubscription(topic, 'half', soon()));
      assert.deepEqual(await other.driver.names(topic, soon()), ['sub']);
    }
    proxy.fault = () => undefined;
    assert.equal(await other.driver.ensureSubscription(topic, 'half', 'create', soon()), 'created');
    await other.driver.removeSubscription(topic, 'half', soon());
    // one that is half made can be removed
    proxy.fault = ({ action }) => (action === 'CreateQueue' ? 'cut' : undefined);
    await assert.rejects(opened.driver.ensureSubscription(topic, 'half', 'create', soon()));
    proxy.fault = () => undefined;
    await opened.driver.removeSubscription(topic, 'half', soon());
    assert.deepEqual(await objectsOf(opened, topic), ['subscriptions/sub']);
  });

  it('takes a probe for a probe, and what others publish for a document', async () => {
    await using opened = await openDriver();
    await using made = await subscription(opened);
    const { topic } = made;
    const { uid, queues } = await registration(opened, topic);
    const [{ subscriptionArn }] = queues;
    const send = (name: string, value: string): Promise<unknown> =>
      opened.native.sns.send(
        new PublishCommand({
          TopicArn: subscriptionArn.split(':').slice(0, -1).join(':'),
          Message: 'x',
          MessageAttributes: { [name]: { DataType: 'String', StringValue: value } },
        }),
      );
    await send('duobus-to', uid);
    await send('duobus-to', 'somebody else');
    await send('id', 'foreign');
    const reader = await consume(opened, topic);
    await reader.take(1);
    assert.deepEqual(reader.ids, ['foreign']);
    await reader.done(...reader.leased);
    await reader.member.close();
    await untilEmpty(opened, topic);
  });
});
