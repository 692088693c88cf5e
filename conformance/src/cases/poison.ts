import type { Case } from '../case.ts';
import { topicOf } from '../document.ts';
import { expect, expectDocuments, expectSame, numbers, sorted } from '../expect.ts';
import { expectOriginal, listed, lettersOf } from './failure.ts';
import { handled, spread } from './groups.ts';

const poison: Case = {
  name: 'poison.dead-letter-and-on',
  promises:
    "After `maxAttempts` a group's document is a dead letter and the group goes on; a reset delivers it again.",
  causes:
    'The append of the dead letter is not confirmed, or `start` does not go back to an earlier place.',
  rules: ['D10', 'C4'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 1 });
    const consumer = await context.consume('data', topic, 'work', {
      script: { fail: { 3: 99 } },
      options: { maxAttempts: 3 },
    });
    await context.publish('data', topic, spread(1, 8));
    await context.drain('data', topic, 'work');
    expectSame(
      consumer.deliveries.filter(({ n }) => n === 3).map(({ attempt }) => attempt),
      [1, 2, 3],
      'attempts of the poison',
    );
    expectSame(handled(consumer).length, 7, 'the others handled');
    const dead = await listed(lettersOf(context, 'data', topic, 'work'));
    expectSame(
      dead.map(({ reason, attempts, position }) => [reason, attempts, position]),
      [['attempts', 3, consumer.deliveries.find(({ n }) => n === 3)?.position]],
      'the dead letters',
    );
    expectOriginal(context, dead);
    await context.reset(topic, 'work', 'earliest');
    await context.until('a reset delivers the dead-lettered document too', () =>
      consumer.deliveries.some(({ n, epoch }) => n === 3 && epoch === 1),
    );
    await context.drain('data', topic, 'work');
  },
};

const halt: Case = {
  name: 'poison.halt',
  promises:
    "With `onPoison: 'halt'` only the partition of the failing document stands, until it is resumed.",
  causes:
    "`flow` or `start` of one partition acts on all of a member's, or reading does not go on after it.",
  rules: ['D10', 'C6'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 2 });
    let broken = true;
    const handler = ({ n }: { readonly n: number }): void => {
      if (n === 3 && broken) throw new Error('poison');
    };
    const consumer = await context.consume('data', topic, 'work', {
      handler,
      options: { maxAttempts: 2, onPoison: 'halt', concurrency: 1 } as never,
    });
    await context.publish('data', topic, spread(1, 40));
    await context.until('the handle says halted', () => consumer.handle.state === 'halted');
    const poisoned = consumer.deliveries.find(({ n }) => n === 3);
    const others = (await context.bus.data.lag(topicOf(topic), 'work')).partitions;
    await context.until('the other partition goes on', async () =>
      (await context.bus.data.lag(topicOf(topic), 'work')).partitions.every(
        ({ partition, records }) => partition === poisoned?.partition || records === 0,
      ),
    );
    expect(others.length === 2, 'lag tells every partition');
    expectSame(
      consumer.deliveries.filter(({ n }) => n === 3).length,
      2,
      'runs of the poison until it halts',
    );
    broken = false;
    consumer.handle.resume(poisoned?.partition);
    await context.drain('data', topic, 'work');
    expectDocuments(handled(consumer), numbers(1, 40), 'what is handled in the end');
    await context.until('the handle says running', () => consumer.handle.state === 'running');
  },
};

/** Documents that are being handled together, and fail for good together. */
const haltSeveral: Case = {
  name: 'poison.halt-several',
  promises:
    'A partition where several documents fail at once stands, and one `resume` tries all of them.',
  causes: '`flow` or `start` of a partition does not let reading go on after it stood.',
  rules: ['D10', 'C6'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 1 });
    let broken = true;
    let begun = 0;
    let fail = (): void => undefined;
    const together = new Promise<void>((resolve) => (fail = resolve));
    const consumer = await context.consume('data', topic, 'work', {
      handler: async () => {
        begun += 1;
        if (begun === 4) fail();
        await together;
        if (broken) throw new Error('poison');
      },
      options: { maxAttempts: 1, onPoison: 'halt', concurrency: 4 } as never,
    });
    await context.publish(
      'data',
      topic,
      numbers(1, 12).map((n) => ({ n, key: `k${n % 4}` })),
    );
    await context.until('the handle says halted', () => consumer.handle.state === 'halted');
    await context.until('all four have failed', () => consumer.handle.stats().held === 4);
    broken = false;
    consumer.handle.resume();
    await context.drain('data', topic, 'work');
    expectDocuments(sorted(handled(consumer)), numbers(1, 12), 'what is handled in the end');
    await context.until('the handle says running', () => consumer.handle.state === 'running');
  },
};

export const cases: readonly Case[] = [poison, halt, haltSeveral];
