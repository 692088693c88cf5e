import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { PublishCommand } from '@aws-sdk/client-sns';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { CloudEvent, HTTP } from 'cloudevents';
import { soon } from './support/queue-connection.ts';
import { consume, openDriver, subscription, type TestDriver } from './support/queues.ts';
import { registration } from './support/registration.ts';

const attributes = {
  specversion: '1.0',
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  source: '/shop/orders',
  type: 'order.placed',
  time: '2026-11-01T00:00:00.000Z',
  subject: 'Gr\u00fc\u00dfe',
  datacontenttype: 'application/json',
  partitionkey: 'k\u00e9y',
} as const;
const data = { orderId: '42', total: 9.5 };

describe('CloudEvents on SNS and SQS', () => {
  let opened: TestDriver;

  before(async () => void (opened = await openDriver()));
  after(() => opened.driver.close());

  it('are read from the queue by the CloudEvents SDK as they were written', async () => {
    await using made = await subscription(opened);
    const { driver, native } = opened;
    const wire = driver.binding.encode(attributes, Buffer.from(JSON.stringify(data)));
    const [outcome] = await driver.publish(made.topic, 0, [{ key: 'k', ...wire }], soon());
    assert.equal(outcome?.status, 'stored');
    const { queues } = await registration(opened, made.topic);
    const { Messages = [] } = await native.sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: queues[0].queueUrl,
        WaitTimeSeconds: 5,
        MessageAttributeNames: ['All'],
      }),
    );
    const [message] = Messages;
    const headers = {
      'content-type': message?.MessageAttributes?.['content-type']?.StringValue,
    };
    const event = HTTP.toEvent({ headers, body: message?.Body }) as CloudEvent<unknown>;
    const { partitionkey, ...known } = attributes;
    const names = Object.keys(known) as (keyof typeof known)[];
    assert.deepEqual(Object.fromEntries(names.map((name) => [name, event[name]])), known);
    assert.equal(event['partitionkey'], partitionkey);
    assert.deepEqual(event.data, data);
  });

  it('of the CloudEvents SDK are read as they were written', async () => {
    await using made = await subscription(opened);
    const { driver, native } = opened;
    const { headers, body } = HTTP.structured(new CloudEvent({ ...attributes, data }));
    const { queues } = await registration(opened, made.topic);
    const TopicArn = topicArnOf(queues[0].subscriptionArn);
    await native.sns.send(
      new PublishCommand({
        TopicArn,
        Message: String(body),
        MessageAttributes: {
          'content-type': { DataType: 'String', StringValue: String(headers['content-type']) },
        },
      }),
    );
    const reader = await consume(opened, made.topic);
    const [record] = await reader.take(1);
    assert.ok(record);
    const read = driver.binding.decode(record);
    assert.deepEqual({ ...read.attributes }, attributes);
    assert.deepEqual(JSON.parse(Buffer.from(read.data).toString()), data);
    await reader.done(record);
    await reader.member.close();
  });
});

/** A subscription's ARN is that of its topic, and something more. */
function topicArnOf(subscriptionArn: string): string {
  return subscriptionArn.slice(0, subscriptionArn.lastIndexOf(':'));
}
