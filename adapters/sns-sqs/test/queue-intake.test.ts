import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { BusError } from '@duobus/core/driver';
import { Intake } from '../src/queue-intake.ts';
import { Pulse } from '../src/queue-pulse.ts';
import type { Scope } from '../src/queue-scope.ts';
import { eventually } from './support/queues.ts';

const full = Array.from({ length: 10 }, (_, at) => ({ MessageId: `${at}`, ReceiptHandle: 'r' }));
const hungUp = (name = 'Error'): BusError =>
  new BusError('DUOBUS_UNAVAILABLE', 'socket hang up', {
    retryable: true,
    outcome: 'unknown',
    cause: Object.assign(new Error('said'), { name }),
  });

/** Answers at once, until it is told to keep requests waiting. */
class Queue {
  readonly waiting = new Set<(error: Error) => void>();
  keeps = false;
  asked = 0;
  readonly scope = {
    connection: { settings: { pollMs: 20_000, visibilityMs: 30_000 }, poll: () => this.#answer() },
    queueUrl: 'q',
    what: 'x',
    ordered: false,
  } as unknown as Scope;

  async #answer(): Promise<unknown> {
    this.asked += 1;
    if (this.keeps) await new Promise((_, reject) => this.waiting.add(reject));
    await pause(1);
    return { Messages: full };
  }

  fail(error: Error): void {
    for (const reject of this.waiting) reject(error);
    this.waiting.clear();
  }
}

function open(queue: Queue): { readonly intake: Intake; readonly failures: unknown[] } {
  const failures: unknown[] = [];
  const intake = new Intake(
    queue.scope,
    1_000,
    new Pulse(),
    {
      arrived: async (messages) => intake.freed(messages.length),
      failed: (error) => failures.push(error),
    },
    new AbortController().signal,
  );
  intake.start();
  return { intake, failures };
}

describe('what receives messages', () => {
  it('takes one interruption for one failure, however many requests it has met', async () => {
    const queue = new Queue();
    const { intake, failures } = open(queue);
    await eventually(
      async () => queue.asked,
      (asked) => asked > 40,
    );
    queue.keeps = true;
    await eventually(
      async () => queue.waiting.size,
      (size) => size === 8,
    );
    queue.keeps = false;
    queue.fail(hungUp());
    const { asked } = queue;
    await eventually(
      async () => queue.asked,
      (now) => now > asked,
    );
    assert.deepEqual(failures, []);
    intake.stop();
    await intake.settled();
  });

  it('gives up when it fails again and again', async () => {
    const queue = new Queue();
    queue.keeps = true;
    const { failures } = open(queue);
    await eventually(
      async () => {
        queue.fail(hungUp());
        return failures.length;
      },
      (length) => length === 1,
      30_000,
    );
  });
});
