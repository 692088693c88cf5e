import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Inbox, type LogEvent, type LogRecord } from '@duobus/core/driver';
import { KafkaQueueMember, type QueueMemberContext } from '../src/queue-member.ts';
import { soon, wantedTopic } from './support/driver.ts';

const partitions = [0, 1, 2, 3, 4, 5];
const backlog = 1_000;

const logRecord = (offset: number): LogRecord => ({
  offset,
  time: 0,
  key: undefined,
  headers: {},
  body: Buffer.from('{}'),
});

/** A group that gives its only member everything at once, and how often the member looked for room. */
function groupOfOne(): { context: QueueMemberContext; looks: () => number } {
  const inbox = new Inbox<LogEvent>();
  let looks = 0;
  const group: QueueMemberContext['group'] = {
    receive: (signal) => inbox.receive(signal),
    start(partition, token) {
      if (partition < 0) return;
      const records = Array.from({ length: backlog }, (_, offset) => logRecord(offset));
      inbox.push({ type: 'records', partition, token, records });
    },
    flow: () => undefined,
    commit: async (writes) => writes.map(() => 'ok'),
    release: async () => undefined,
    close: async () => undefined,
    fresh: async () => undefined,
    explain: (error) => {
      throw error;
    },
  };
  const pointer = { place: { offset: 0, time: 0 }, text: '' };
  for (const partition of partitions)
    inbox.push({ type: 'assigned', partition, token: partition + 1, pointer });
  const topic = wantedTopic({ kind: 'event', order: 'key', partitions: partitions.length });
  const context = {
    subscription: {
      topic,
      name: 'sub',
      kafkaTopic: 'k',
      own: 'own',
      group: 'g',
      deadGroup: 'd',
      incarnation: topic.incarnation,
      id: 'id',
      starts: [],
    },
    group,
    copies: {} as never,
    ends: {} as never,
    get credit() {
      looks += 1;
      return backlog;
    },
    readRetries: async () => [],
    restore: async () => pointer,
    settled: () => undefined,
  };
  return { context, looks: () => looks };
}

describe('a consumer of a subscription that owns many partitions', () => {
  it('looks for room a few times while it takes a backlog, not six times as often with every write', async () => {
    const { context, looks } = groupOfOne();
    const member = new KafkaQueueMember(context);
    let taken = 0;
    while (taken < partitions.length * backlog) {
      for (const event of await member.receive(soon()))
        if (event.type === 'records') taken += event.records.length;
    }
    await member.close();
    assert.ok(looks() < 1_000, `${looks()} looks`);
  });
});
