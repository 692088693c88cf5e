import type { Case } from '../case.ts';
import { topicOf } from '../document.ts';
import { expect, expectRefused, expectSame, numbers } from '../expect.ts';

export const deletionOnRead: Case = {
  name: 'deletion-on-read',
  promises:
    'What is settled never comes back, and when all have settled it the broker holds nothing.',
  causes:
    "`settle` with 'done' does not remove at the broker, or a document shared by subscriptions is not removed with the last of them.",
  rules: ['E5'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const first = await context.member();
    const reader = await context.consume('event', topic, 'reader', { member: first });
    const other = await context.consume('event', topic, 'other');
    await context.publish('event', topic, numbers(1, 50));
    await context.drain('event', topic, 'reader');
    await context.drain('event', topic, 'other');
    await context.sentinel('event', topic, [reader]);
    await context.drain('event', topic, 'reader');
    await context.drain('event', topic, 'other');
    const { harness } = context;
    await context.until(
      'the broker itself holds nothing, by its own tools',
      async () => ((await harness.brokerDepth?.(topic.name)) ?? 0) === 0,
    );
    await first.close();
    const again = await context.consume('event', topic, 'reader', {
      member: await context.member(),
    });
    await context.sentinel('event', topic, [again]);
    await context.drain('event', topic, 'reader');
    await context.drain('event', topic, 'other');
    expectSame(again.deliveries.length, 1, 'deliveries on another connection: the sentinel alone');
    expectSame(reader.deliveries.length, 51, 'deliveries on the first connection');
    expectSame(other.deliveries.length, 52, 'deliveries to the other subscription');
  },
};

export const cleanClose: Case = {
  name: 'clean-close.repeats-nothing',
  promises: 'After a clean close nothing that was handled comes again.',
  causes:
    '`stop` resolves before everything leased is in the inbox, or `close` gives back what a `settle` is still on its way for.',
  rules: ['E5', 'C11'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const first = await context.member();
    const before = await context.consume('event', topic, 'work', {
      member: first,
      script: { delayMs: 2 },
      options: { concurrency: 4, prefetch: 20 },
    });
    await context.publish('event', topic, numbers(1, 100));
    await context.until('some are handled', () => before.deliveries.length > 20);
    await first.close();
    const handled = before.deliveries.length;
    expect(handled < 100, 'closing stops the intake');
    const after = await context.consume('event', topic, 'work', { member: await context.member() });
    await context.drain('event', topic, 'work');
    expectSame(handled + after.deliveries.length, 100, 'deliveries before and after a clean close');
  },
};

export const unsubscribeDeletes: Case = {
  name: 'unsubscribe.deletes-close-does-not',
  promises: '`unsubscribe` deletes a subscription with all it holds; `close` leaves it.',
  causes:
    '`removeSubscription` leaves records that a new subscription of that name finds, or its members do not end with `gone`.',
  rules: ['E11', 'C6'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const { events } = context.bus;
    const first = await context.consume('event', topic, 'temporary');
    await first.close();
    await context.publish('event', topic, numbers(1, 5));
    expectSame(
      await events.subscriptions(topicOf(topic)),
      ['temporary'],
      'the subscriptions after close',
    );
    await events.unsubscribe(topicOf(topic), 'temporary');
    expectSame(
      await events.subscriptions(topicOf(topic)),
      [],
      'the subscriptions after unsubscribe',
    );
    await expectRefused(
      'depth of a deleted subscription',
      () => context.depth(topic, 'temporary'),
      'DUOBUS_NOT_FOUND',
    );
    const again = await context.consume('event', topic, 'temporary');
    expect(!again.handle.resumed, 'a subscription made anew does not say resumed');
    await context.sentinel('event', topic, [again]);
    expectSame(
      again.deliveries.length,
      1,
      'deliveries of the subscription made anew: the sentinel alone',
    );
    await events.unsubscribe(topicOf(topic), 'temporary');
    await context.until(
      'the handle of a deleted subscription ends',
      () => again.handle.state === 'closed',
    );
    await expectRefused(
      'done of a handle whose subscription is deleted',
      () => again.handle.done,
      'DUOBUS_NOT_FOUND',
    );
  },
};

export const cases: readonly Case[] = [deletionOnRead, cleanClose, unsubscribeDeletes];
