import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  groupOf,
  ownGroup,
  queueArnOf,
  queueName,
  topicArnOf,
  topicName,
} from '../src/queue-names.ts';

const uid = '0123456789abcdef01234567';
const legal = /^[A-Za-z0-9_-]{1,80}$|^[A-Za-z0-9_-]{1,75}\.fifo$/;
const prefix = 'p'.repeat(16);

describe('names on SNS and SQS', () => {
  it('are of characters and of a length that SQS takes, and differ where incarnation, uid or partition do', () => {
    const names: string[] = [];
    for (const name of ['a.b', `${'x'.repeat(79)}1`])
      for (const incarnation of ['1', '2'])
        for (const partition of [0, 7, 1_023])
          names.push(topicName(prefix, { name, order: 'key', incarnation }, partition));
    for (const each of [uid, uid.replace('0', '9')])
      for (const partition of [0, 7, 1_023])
        names.push(
          queueName(
            prefix,
            { name: 'x'.repeat(80), order: 'key' },
            's.'.repeat(40),
            each,
            partition,
          ),
        );
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.match(name, legal);
  });

  it('are one for all partitions where there is no order', () => {
    const one = { name: 'a.b', order: 'none', incarnation: 'i' } as const;
    assert.match(topicName('p', one, 0), legal);
    assert.equal(topicName('p', one, 0), topicName('p', one, 3));
    assert.equal(queueName('p', one, 's', uid, 0), `p-a-b-s-${uid}`);
    assert.equal(queueName('p', one, 's', uid, 0), queueName('p', one, 's', uid, 3));
  });

  it('of a partition follow from that of the first', () => {
    const arn = (order: 'none' | 'key', partition: number): string =>
      `arn:aws:sns:eu-central-1:123456789012:${topicName('p', { name: 'a-0', order, incarnation: 'i' }, partition)}`;
    for (const partition of [0, 3, 12, 1_023])
      assert.equal(topicArnOf(arn('key', 0), { order: 'key' }, partition), arn('key', partition));
    assert.equal(topicArnOf(arn('none', 0), { order: 'none' }, 3), arn('none', 0));
  });

  it('of message groups depend on the key alone', () => {
    assert.equal(groupOf('key'), groupOf('key'));
    assert.notEqual(groupOf('key'), groupOf('other'));
    for (const key of ['', 'a', 'ö'.repeat(1_000)]) assert.match(groupOf(key), /^[0-9a-f]{32}$/);
    // never that of a key
    assert.doesNotMatch(ownGroup('00000000-0000-7000-8000-000000000000'), /^[0-9a-f]{32}$/);
    assert.notEqual(ownGroup('a'), ownGroup('b'));
  });

  it('of a queue are in the account and region of its topic', () => {
    assert.equal(
      queueArnOf('arn:aws-cn:sns:cn-north-1:123456789012:t', 'q'),
      'arn:aws-cn:sqs:cn-north-1:123456789012:q',
    );
  });
});
