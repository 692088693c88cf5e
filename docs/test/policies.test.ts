import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { policies } from '../policies.ts';

const none = { create: [], publish: [], consume: [] };

describe('policies', () => {
  it('name every action once, with the resource it is about', () => {
    const page = policies({
      ...none,
      create: [
        's3:GetObject',
        's3:ListBucket',
        'sns:Publish',
        'sns:Unsubscribe',
        'sqs:CreateQueue',
      ],
    });
    const [, first = ''] = /```json\n([\s\S]*?)```/.exec(page) ?? [];
    assert.deepEqual(JSON.parse(first), {
      Version: '2012-10-17',
      Statement: [
        ['sns:Publish', 'arn:aws:sns:*:*:duobus-*'],
        ['sns:Unsubscribe', '*'],
        ['sqs:CreateQueue', 'arn:aws:sqs:*:*:duobus-*'],
        ['s3:ListBucket', 'arn:aws:s3:::my-bucket'],
        ['s3:GetObject', 'arn:aws:s3:::my-bucket/duobus/*'],
      ].map(([action, Resource]) => ({ Effect: 'Allow', Action: [action], Resource })),
    });
    assert.equal(page.match(/```json/g)?.length, 3);
  });

  it('refuse an action whose resource nobody knows', () => {
    assert.throws(() => policies({ ...none, publish: ['s3:CreateBucket'] }), /s3:CreateBucket/);
  });
});
