import type { Case } from '../case.ts';
import { topicOf } from '../document.ts';
import { expect, expectDocuments, expectRefused, expectSame, numbers, sorted } from '../expect.ts';
import { handled, spread } from './groups.ts';

export const offsetReset: Case = {
  name: 'offset-reset',
  promises: 'A reset moves a running or stopped group to exactly the place it names.',
  causes:
    '`edit` calls `change` while a member still owns the partition, a late `commit` overwrites it, or `assigned` brings the old pointer.',
  rules: ['D5'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic();
    const consumer = await context.consume('data', topic, 'work', { options: { concurrency: 1 } });
    await context.publish('data', topic, spread(1, 30));
    await context.drain('data', topic, 'work');
    await context.reset(topic, 'work', 'earliest');
    await context.until('a running group reads all again', () => handled(consumer).length === 60);
    const again = consumer.deliveries.slice(30);
    expect(
      again.every(
        ({ cause, epoch, attempt, redelivered }) =>
          cause === 'reset' && epoch === 1 && attempt === 1 && redelivered,
      ),
      'deliveries after a reset say so',
    );
    await context.drain('data', topic, 'work');
    await consumer.close();
    const middle = await middleOf(context, topic);
    await context.reset(topic, 'work', { positions: middle });
    const second = await context.consume('data', topic, 'work', { options: { concurrency: 1 } });
    await context.drain('data', topic, 'work');
    const lowest = Object.fromEntries(
      Object.keys(middle).map((partition) => [
        partition,
        second.deliveries.find((op) => op.partition === Number(partition))?.position,
      ]),
    );
    expectSame(lowest, middle, 'where a stopped group goes on in each partition after its reset');
    expect(
      second.deliveries.every(({ epoch }) => epoch === 2),
      'the second reset is the second epoch',
    );
    await context.publish('data', topic, spread(31, 5));
    await context.drain('data', topic, 'work');
    expectSame(
      handled(second).filter((n) => n > 30),
      numbers(31, 5),
      'what came after the reset',
    );
  },
};

async function middleOf(
  context: Parameters<Case['run']>[0],
  topic: Parameters<typeof topicOf>[0],
): Promise<Record<number, string>> {
  const positions = new Map<number, string[]>();
  for await (const { partition, position } of context.bus.data.read(topicOf(topic)))
    positions.set(partition, [...(positions.get(partition) ?? []), position]);
  return Object.fromEntries(
    [...positions].map(([partition, all]) => [
      partition,
      all[Math.floor(all.length / 2)] as string,
    ]),
  );
}

export const forwardAndPartial: Case = {
  name: 'reset.positions-move-only-what-they-name',
  promises: 'A reset to positions moves the partitions it names and no other.',
  causes: '`edit` writes partitions for which `change` answered `undefined`.',
  rules: ['D5', 'D12'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 2 });
    const first = await context.consume('data', topic, 'work', { options: { concurrency: 1 } });
    await context.publish('data', topic, spread(1, 30));
    await context.drain('data', topic, 'work');
    await first.close();
    const before = await context.bus.data.pointers(topicOf(topic), 'work');
    const middle = await middleOf(context, topic);
    const partition = first.deliveries[0]?.partition ?? 0;
    const target = middle[partition] as string;
    const result = await context.reset(topic, 'work', { positions: { [partition]: target } });
    expectSame(
      result.moves.map((move) => [move.partition, move.to]),
      [[partition, target]],
      'the moves told',
    );
    const after = await context.bus.data.pointers(topicOf(topic), 'work');
    expectSame(after, { ...before, [partition]: target }, 'the pointers after it');
    const second = await context.consume('data', topic, 'work', { options: { concurrency: 1 } });
    await context.drain('data', topic, 'work');
    expect(
      second.deliveries.length > 0 && second.deliveries.every((op) => op.partition === partition),
      'only the partition named is read again',
    );
    await second.close();
    await context.reset(topic, 'work', 'earliest');
    await context.reset(topic, 'work', { positions: await middleOf(context, topic) });
    await context.reset(topic, 'work', 'latest');
    const third = await context.consume('data', topic, 'work');
    await context.sentinel('data', topic, [third], ['k1', 'k2', 'k3', 'k4']);
    expect(
      third.deliveries.every(({ n }) => n >= 1_000_000),
      'a reset forward skips what is between',
    );
  },
};

export const refused: Case = {
  name: 'reset.refused-moves-nothing',
  promises: 'A reset to an unknown, foreign or trimmed position is refused and moves nothing.',
  causes:
    'The `incarnation` of a topic is not stored, so that places of two topics look alike, or `bounds` tells a wrong end.',
  rules: ['D5', 'D12'],
  needs: ['data'],
  async run(context) {
    const [topic, foreign] = [context.topic({ partitions: 2 }), context.topic({ partitions: 2 })];
    const consumer = await context.consume('data', topic, 'work');
    await context.publish('data', topic, spread(1, 20));
    const strange = await context.publish('data', foreign, spread(1, 20));
    await context.drain('data', topic, 'work');
    const pointers = await context.bus.data.pointers(topicOf(topic), 'work');
    const foreignPositions: string[] = [];
    for await (const { position } of context.bus.data.read(topicOf(foreign)))
      foreignPositions.push(position);
    expect(strange.length === foreignPositions.length, 'the other topic holds its documents');
    const [, good = '', , beyond = ''] = [0, pointers[0], 0, pointers[1]];
    const reset =
      (positions: Record<number, string>): (() => Promise<unknown>) =>
      () =>
        context.reset(topic, 'work', { positions });
    await expectRefused(
      'a reset to what is no position',
      reset({ 0: good, 1: 'nonsense' }),
      'DUOBUS_INVALID',
    );
    await expectRefused(
      'a reset to a position of another topic',
      reset({ 0: foreignPositions[0] as string }),
      'DUOBUS_INVALID',
    );
    await expectRefused(
      'a reset of a partition to a position of another',
      reset({ 0: beyond }),
      'DUOBUS_INVALID',
    );
    await expectRefused(
      'a reset of a partition that does not exist',
      reset({ 99: good }),
      'DUOBUS_INVALID',
    );
    const ahead = good.replace(
      /\.(\d+)(-\d+)?$/,
      (_, offset: string, time: string | undefined) =>
        `.${Number(offset) + 1_000_000}${time ?? ''}`,
    );
    await expectRefused('a reset beyond the end', reset({ 0: ahead }), 'DUOBUS_POSITION_GONE');
    await expectRefused(
      'a reset of a group that does not exist',
      () => context.bus.data.reset(topicOf(topic), 'nobody', 'earliest'),
      'DUOBUS_NOT_FOUND',
    );
    expectSame(
      await context.bus.data.pointers(topicOf(topic), 'work'),
      pointers,
      'the pointers after all refusals',
    );
    await context.publish('data', topic, spread(21, 10));
    await context.drain('data', topic, 'work');
    expectSame(
      consumer.deliveries.length,
      30,
      'deliveries: nothing came again, nothing was skipped',
    );
    expect(
      consumer.deliveries.every(({ epoch }) => epoch === 0),
      'the epoch stays',
    );
  },
};

export const dryRun: Case = {
  name: 'reset.dry-run',
  promises: 'A dry run tells what a reset would move, and moves nothing.',
  causes: '`bounds` or `pointers` are old, or `dense` is declared although offsets have gaps.',
  rules: ['D5'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 2 });
    const consumer = await context.consume('data', topic, 'work');
    await context.publish('data', topic, spread(1, 20));
    await context.drain('data', topic, 'work');
    const before = await context.bus.data.pointers(topicOf(topic), 'work');
    const { moves } = await context.bus.data.reset(topicOf(topic), 'work', 'earliest', {
      dryRun: true,
    });
    expectSame(
      sorted(moves.map(({ partition }) => partition)),
      [0, 1],
      'the partitions that would move',
    );
    const count = moves.reduce((sum, move) => sum + move.count, 0);
    const exact = context.bus.data.capabilities.dense;
    expect(
      exact ? count === -20 || count === 20 : Math.abs(count) >= 20,
      `a dry run counts the 20 documents (it says ${count})`,
    );
    expectSame(
      await context.bus.data.pointers(topicOf(topic), 'work'),
      before,
      'the pointers after a dry run',
    );
    await context.sentinel('data', topic, [consumer], ['k1', 'k2', 'k3', 'k4']);
    expectSame(consumer.deliveries.length, 24, 'deliveries after a dry run');
  },
};

export const whileHandling: Case = {
  name: 'reset.while-handling',
  promises: 'A reset aborts what is being handled, and its result counts for nothing.',
  causes:
    "No `revoking` with cause 'reset' reaches the owner, or the partition is assigned again under the old token.",
  rules: ['D5', 'C3'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 1 });
    const aborted: number[] = [];
    const consumer = await context.consume('data', topic, 'work', {
      options: { concurrency: 2, graceMs: 60_000 * context.slow },
      handler: async ({ n }, { signal, epoch }) => {
        if (n !== 3 || epoch > 0) return;
        await new Promise<void>((resolve) =>
          signal.addEventListener('abort', () => resolve(), { once: true }),
        );
        aborted.push(Date.now());
      },
    });
    await context.publish(
      'data',
      topic,
      numbers(1, 6).map((n) => ({ n, key: `k${n}` })),
    );
    await context.until('the third is being handled', () =>
      consumer.deliveries.some(({ n }) => n === 3),
    );
    const began = Date.now();
    await context.reset(topic, 'work', 'earliest');
    expectSame(aborted.length, 1, 'aborted signals of running handlers');
    expect(
      (aborted[0] ?? 0) - began < 12_000 * context.slow,
      'running handlers are told at once, not when their grace time is over',
    );
    expectSame(consumer.handle.stats().late, 1, 'results of the old epoch, which do not count');
    await context.drain('data', topic, 'work');
    const second = consumer.deliveries.filter(({ epoch }) => epoch === 1);
    expectDocuments(
      second.map(({ n }) => n),
      numbers(1, 6),
      'the new epoch, from its beginning',
    );
    expect(
      second.every(({ attempt }) => attempt === 1),
      'results of the old epoch count no attempt',
    );
  },
};

export const fromAnotherProcess: Case = {
  name: 'reset.from-another-process',
  promises: 'A group can be reset from any process.',
  causes:
    '`edit` reaches members of its own process alone: owners have to be told through the broker.',
  rules: ['D5', 'D2'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic();
    const consumer = await context.consume('data', topic, 'work');
    await context.publish('data', topic, spread(1, 20));
    await context.drain('data', topic, 'work');
    const outside = await context.mortal();
    await context.reset(topic, 'work', 'earliest', outside);
    await context.until('the group reads all again', () => handled(consumer).length === 40);
  },
};

export const cases: readonly Case[] = [
  offsetReset,
  forwardAndPartial,
  refused,
  dryRun,
  whileHandling,
  fromAnotherProcess,
];
