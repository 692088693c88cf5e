import type { Case } from '../case.ts';
import { topicOf } from '../document.ts';
import { expect, expectDocuments, expectSame, numbers, sorted } from '../expect.ts';
import type { Consumer } from '../consumer.ts';
import type { Draft } from '../context.ts';

export const spread = (from: number, count: number): Draft[] =>
  numbers(from, count).map((n) => ({ n, key: `k${n % 9}` }));

export const handled = (...consumers: readonly Consumer[]): number[] =>
  sorted(
    consumers.flatMap(({ deliveries }) =>
      deliveries.filter(({ type, n }) => type === 'ok' && n < 1_000_000).map(({ n }) => n),
    ),
  );

export const retained: Case = {
  name: 'retained',
  promises: 'Reading the data bus removes nothing: a group that comes later reads all of it.',
  causes:
    'Reading or committing deletes, as in a queue, or `bounds` tells a first place that is too late.',
  rules: ['D1', 'D6'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic();
    await context.publish('data', topic, spread(1, 20));
    const one = await context.consume('data', topic, 'one');
    await context.drain('data', topic, 'one');
    const two = await context.consume('data', topic, 'two');
    await context.drain('data', topic, 'two');
    expectDocuments(handled(one), numbers(1, 20), 'what the first group read');
    expectDocuments(handled(two), numbers(1, 20), 'what a group that came later read');
    const history: number[] = [];
    for await (const entry of context.bus.data.read(topicOf(topic)))
      if (entry.error === undefined) history.push(entry.document.n);
    expectSame(sorted(history), numbers(1, 20), 'what is kept after both have read');
  },
};

export const ownPointer: Case = {
  name: 'own-pointer',
  promises: 'A group goes on where it was: its pointer is kept by the broker.',
  causes:
    '`commit` resolves before the pointer is stored, or it is stored with the member instead of the group.',
  rules: ['D2', 'D4'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic();
    const first = await context.member();
    const before = await context.consume('data', topic, 'work', { member: first });
    await context.publish('data', topic, spread(1, 30));
    await context.drain('data', topic, 'work');
    await first.close();
    await context.publish('data', topic, spread(31, 10));
    const after = await context.consume('data', topic, 'work', {
      member: await context.member(),
      options: { from: 'earliest' },
    });
    expect(after.handle.resumed, 'a group with a pointer says resumed');
    await context.drain('data', topic, 'work');
    expectDocuments(handled(before), numbers(1, 30), 'what was handled before the clean close');
    expectDocuments(
      after.deliveries.map(({ n }) => n).toSorted((a, b) => a - b),
      numbers(31, 10),
      'what is delivered after it',
    );
    expect(
      after.deliveries.every(({ cause, redelivered }) => cause === 'first' && !redelivered),
      'nothing of it looks as if a process had died of it',
    );
  },
};

export const pointerWithHoles: Case = {
  name: 'commit.skips-what-is-done',
  promises: 'What was handled ahead of a hanging document is not repeated by the next owner.',
  causes: 'The `text` of a pointer is cut or changed: it holds what is done beyond `place`.',
  rules: ['D4', 'C11'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 1 });
    const first = await context.member();
    const before = await context.consume('data', topic, 'work', {
      member: first,
      script: { hang: [4] },
      // Nothing but the close writes the pointer.
      options: { concurrency: 4, graceMs: 200, commitIntervalMs: 600_000 },
    });
    await context.publish(
      'data',
      topic,
      numbers(1, 12).map((n) => ({ n, key: `k${n}` })),
    );
    await context.until('all but one are handled', () => handled(before).length === 11);
    await before.close();
    const after = await context.consume('data', topic, 'work', { member: await context.member() });
    await context.drain('data', topic, 'work');
    expectDocuments(
      after.deliveries.map(({ n }) => n),
      [4],
      'what is delivered after the close: the one that was not handled',
    );
  },
};

export const commitRetries: Case = {
  name: 'commit.attempts-survive',
  promises: 'The next owner goes on counting attempts.',
  causes:
    'The `text` of a pointer is cut or changed, or the last `commit` before `release` is not stored.',
  rules: ['D4', 'C3'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 1 });
    const slowly = { firstMs: 60_000, factor: 1, maxMs: 60_000 };
    const before = await context.consume('data', topic, 'work', {
      member: await context.member(),
      script: { fail: { 2: 99 } },
      options: { backoff: slowly, maxAttempts: 3 },
    });
    await context.publish(
      'data',
      topic,
      numbers(1, 4).map((n) => ({ n, key: `k${n}` })),
    );
    await context.until(
      'one has failed and the others are handled',
      () => handled(before).length === 3 && before.deliveries.some(({ type }) => type === 'fail'),
    );
    await before.close();
    const after = await context.consume('data', topic, 'work', { member: await context.member() });
    await context.drain('data', topic, 'work');
    expectSame(
      after.deliveries.map(({ n, attempt }) => [n, attempt]),
      [[2, 2]],
      'the document that had failed once, and its attempt',
    );
  },
};

export const isolation: Case = {
  name: 'isolation',
  promises: 'Nothing that one group does moves the pointer of another.',
  causes:
    'Pointers are stored under a name that leaves out the group or the topic, or `edit` writes more than its group.',
  rules: ['D6', 'D5'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic();
    const moved = await context.consume('data', topic, 'moved');
    const bystander = await context.consume('data', topic, 'bystander');
    const stopped = await context.consume('data', topic, 'stopped');
    await context.publish('data', topic, spread(1, 20));
    for (const name of ['moved', 'bystander', 'stopped']) await context.drain('data', topic, name);
    await stopped.close();
    await context.until(
      'the pointer of the bystander is written',
      async () => (await context.bus.data.lag(topicOf(topic), 'bystander')).records === 0,
    );
    const before = await Promise.all(
      ['bystander', 'stopped'].map((name) => context.bus.data.pointers(topicOf(topic), name)),
    );
    await context.reset(topic, 'moved', 'earliest');
    await context.until('the moved group reads again', () => handled(moved).length === 40);
    const after = await Promise.all(
      ['bystander', 'stopped'].map((name) => context.bus.data.pointers(topicOf(topic), name)),
    );
    expectSame(after, before, 'the pointers of the groups that were not reset');
    await context.publish('data', topic, spread(21, 5));
    await context.drain('data', topic, 'bystander');
    expectDocuments(
      bystander.deliveries.map(({ n }) => n).toSorted((a, b) => a - b),
      numbers(1, 25),
      'deliveries to the bystander',
    );
    expect(
      bystander.deliveries.every(({ epoch }) => epoch === 0),
      'the bystander stays in its epoch',
    );
  },
};

export const startFrom: Case = {
  name: 'start.from',
  promises: 'A new group starts at the beginning, the end, a time or stored positions, as it asks.',
  causes:
    "`placesAt` is late or goes by the publisher's clock, or `bounds` is older than the last confirmed append.",
  rules: ['D3', 'D12'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 2 });
    await context.publish('data', topic, spread(1, 10));
    const kept = await context.consume('data', topic, 'kept');
    await context.drain('data', topic, 'kept');
    const positions = JSON.parse(
      JSON.stringify(await context.bus.data.pointers(topicOf(topic), 'kept')),
    ) as Record<number, string>;
    const last = Math.max(
      ...kept.deliveries.map(({ position }) => (position === undefined ? 0 : 1)),
    );
    expectSame(last, 1, 'that deliveries have positions');
    await context.until('the clock has moved', untilLater(5));
    const { timeGranularityMs } = context.bus.data.capabilities;
    const entries = await appendTimes(context, topic);
    const latest = await context.consume('data', topic, 'latest', { options: { from: 'latest' } });
    const time = Math.max(...entries.values()) + 1;
    await context.until('the broker is past that time', untilLater(20));
    await context.publish('data', topic, spread(11, 10));
    const earliest = await context.consume('data', topic, 'earliest', {
      options: { from: 'earliest' },
    });
    const byTime = await context.consume('data', topic, 'time', { options: { from: { time } } });
    const byPositions = await context.consume('data', topic, 'positions', {
      options: { from: { positions } },
    });
    for (const name of ['latest', 'earliest', 'time', 'positions'])
      await context.drain('data', topic, name);
    expectDocuments(handled(earliest), numbers(1, 20), "from 'earliest'");
    expectDocuments(handled(latest), numbers(11, 10), "from 'latest'");
    expectDocuments(handled(byPositions), numbers(11, 10), 'from positions, stored as JSON');
    const early = handled(byTime).filter(
      (n) => n <= 10 && (entries.get(n) ?? 0) < time - timeGranularityMs,
    );
    expectSame(
      [early, handled(byTime).filter((n) => n > 10)],
      [[], numbers(11, 10)],
      'from a time: nothing earlier than declared, everything later',
    );
  },
};

/** When each document was appended, by the broker's clock. */
async function appendTimes(
  context: Parameters<Case['run']>[0],
  topic: Parameters<typeof topicOf>[0],
): Promise<Map<number, number>> {
  const times = new Map<number, number>();
  for await (const entry of context.bus.data.read(topicOf(topic)))
    if (entry.error === undefined) times.set(entry.document.n, entry.appendedAt);
  return times;
}

/** Append times have the resolution of milliseconds: two batches have to be in different ones. */
function untilLater(ms: number): () => boolean {
  const until = Date.now() + ms;
  return () => Date.now() > until;
}

export const startOnce: Case = {
  name: 'start.applies-once',
  promises: 'Where a group starts is decided once; a later `from` changes nothing.',
  causes:
    'A pointer written before anything was handled is not kept, or `assigned` comes without it.',
  rules: ['D3'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic();
    await context.publish('data', topic, spread(1, 10));
    const first = await context.consume('data', topic, 'work', { options: { from: 'latest' } });
    expect(!first.handle.resumed, 'a new group does not say resumed');
    await first.close();
    await context.publish('data', topic, spread(11, 10));
    const second = await context.consume('data', topic, 'work', { options: { from: 'earliest' } });
    expect(
      second.handle.resumed,
      'a group whose start was written says resumed, though it never handled anything',
    );
    await context.drain('data', topic, 'work');
    expectDocuments(handled(second), numbers(11, 10), 'what a group gets that began at the latest');
  },
};

export const cases: readonly Case[] = [
  retained,
  ownPointer,
  pointerWithHoles,
  commitRetries,
  isolation,
  startFrom,
  startOnce,
];
