import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChangeMessageVisibilityBatchCommand } from '@aws-sdk/client-sqs';
import { Held } from '../src/queue-held.ts';
import { Lease } from '../src/queue-lease.ts';
import type { Scope } from '../src/queue-scope.ts';
import { eventually } from './support/queues.ts';

const hourMs = 3_600_000;
const never = new AbortController().signal;

function leaseSince(agoMs: number, id: string): Lease {
  const asked = { at: performance.now() - agoMs, visibilityMs: 2_000 };
  const lease = new Lease({ MessageId: id, ReceiptHandle: id }, undefined, asked, 0);
  lease.deadline = performance.now() + 1_600;
  return lease;
}

/** Tells what SQS was asked for, and answers that these are not known any more. */
function scopeOf(asked: [string | undefined, number | undefined][], refused: string[]): Scope {
  const sqs = async ({ input }: ChangeMessageVisibilityBatchCommand): Promise<unknown> => {
    const entries = input.Entries ?? [];
    asked.push(
      ...entries.map(
        ({ ReceiptHandle, VisibilityTimeout }): [string | undefined, number | undefined] => [
          ReceiptHandle,
          VisibilityTimeout,
        ],
      ),
    );
    return {
      Failed: entries
        .filter(({ ReceiptHandle = '' }) => refused.includes(ReceiptHandle))
        .map(({ Id }) => ({ Id, SenderFault: true, Code: 'ReceiptHandleIsInvalid' })),
    };
  };
  return {
    connection: { settings: { visibilityMs: 2_000 }, sqs },
    queueUrl: 'q',
    what: 'it',
  } as never;
}

describe('what a member holds', () => {
  it('is kept as long as SQS lets it, and then it is over', async () => {
    const asked: [string | undefined, number | undefined][] = [];
    const expired: string[] = [];
    let freed = 0;
    const held = new Held(
      scopeOf(asked, ['unknown']),
      {
        freed: (count) => (freed += count),
        expired: (leases) => expired.push(...leases.map(({ messageId }) => messageId)),
        failed: (error) => assert.fail(String(error)),
      },
      never,
    );
    const settling = leaseSince(0, 'settling');
    settling.over = true;
    held.add([
      leaseSince(0, 'fresh'),
      leaseSince(12 * hourMs, 'twelve hours'),
      leaseSince(0, 'unknown'),
      settling,
    ]);
    await eventually(
      async () => expired.length,
      (count) => count === 2,
    );
    assert.deepEqual(expired.toSorted(), ['twelve hours', 'unknown']);
    assert.equal(freed, 2);
    await eventually(
      async () => asked.filter(([handle]) => handle === 'fresh').length,
      (count) => count >= 2,
    );
    assert.ok(asked.every(([, seconds]) => seconds === 2));
    assert.ok(asked.every(([handle]) => handle !== 'twelve hours'));
    assert.deepEqual(
      held.end().map(({ messageId }) => messageId),
      ['fresh', 'settling'],
    );
    const before = asked.length;
    // another that would be asked for as often
    const sentinel: [string | undefined, number | undefined][] = [];
    const other = new Held(
      scopeOf(sentinel, []),
      { freed: () => undefined, expired: () => undefined, failed: assert.fail },
      never,
    );
    other.add([leaseSince(0, 'sentinel')]);
    await eventually(
      async () => sentinel.length,
      (count) => count >= 2,
    );
    other.end();
    assert.equal(asked.length, before, 'nothing more is asked after the end');
  });
});
