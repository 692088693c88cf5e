import { batch, type BatchItem, topic as topicWith } from '@duobus/core';
import type { Case } from '../case.ts';
import { topicOf } from '../document.ts';
import { expect, expectRefused, expectSame, numbers } from '../expect.ts';
import type { Doc, Kind } from '../protocol.ts';
import { listed, lettersOf } from './failure.ts';

export const handle: Case = {
  name: 'handle',
  promises: 'A handle says what it is and does; one that is paused hands out nothing.',
  causes:
    'More than `credit` records reach the inbox, or `settle` answers with fewer results than settlements.',
  rules: ['C6'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const consumer = await context.consume('event', topic, 'work', { options: { prefetch: 5 } });
    const { handle: running } = consumer;
    expectSame(
      [running.name, running.topics, running.state, running.resumed],
      ['work', [topic.name], 'running', false],
      'what a handle says',
    );
    running.pause();
    await context.publish('event', topic, numbers(1, 20));
    await context.until(
      'the documents are stored',
      async () =>
        (await context.depth(topic, 'work')).total >=
        (context.bus.events.capabilities.countsLeased ? 20 : 15),
    );
    expectSame(consumer.deliveries.length, 0, 'deliveries while paused');
    running.resume();
    await context.drain('event', topic, 'work');
    await context.until('all are settled', () => running.stats().settled === 20);
    const stats = running.stats();
    expectSame(
      [stats.handled, stats.settled, stats.failed, stats.deadLettered, stats.running],
      [20, 20, 0, 0, 0],
      'the stats',
    );
    const health = await context.bus.health();
    expect(
      health.connected &&
        health.handles.some(
          ({ name, topics, ok }) => name === 'work' && topics.includes(topic.name) && ok,
        ),
      'health knows the handle',
    );
    await consumer.close();
    await running.close();
    await running.done;
    expectSame(running.state, 'closed', 'the state after close');
  },
};

export const timeout: Case = {
  name: 'handler-timeout',
  promises: 'A handler that takes too long is aborted and tried again; its late result is ignored.',
  causes: "'again' is refused while the first run goes on, or its `delayMs` never ends.",
  rules: ['C7', 'C3'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const signals: boolean[] = [];
    let late: (() => void) | undefined;
    const consumer = await context.consume('event', topic, 'work', {
      abort: 'fail',
      options: { handlerTimeoutMs: 200 },
      handler: async (_, { attempt, signal }) => {
        if (attempt > 1) return;
        await new Promise<void>((resolve) => (late = resolve));
        signals.push(signal.aborted);
      },
    });
    await context.publish('event', topic, [1]);
    await context.until('it is tried again', () => consumer.deliveries.length === 2);
    await context.drain('event', topic, 'work');
    late?.();
    await context.until('the late result is counted', () => consumer.handle.stats().late === 1);
    expectSame(signals, [true], 'the signal of the run that took too long');
    expectSame(
      consumer.deliveries.map(({ attempt }) => attempt),
      [1, 2],
      'the attempts',
    );
    expectSame(consumer.handle.stats().failed, 1, 'failed runs');
  },
};

function batchCase(kind: Kind): Case {
  return {
    name: `batch.${kind}`,
    promises: 'A batch handler gets documents of one partition, and each is settled by itself.',
    causes:
      kind === 'event'
        ? '`settle` answers in another order than it was asked, or one event brings records of several partitions.'
        : 'One event brings records of several partitions, or the `text` of a pointer is changed.',
    rules: ['C8', 'C3'],
    needs: [kind],
    async run(context) {
      const topic = context.topic();
      const sizes: number[] = [];
      const runs = new Map<number, number[]>();
      const mixed: string[] = [];
      const handler = batch<Doc>(
        (items: readonly BatchItem<Doc>[]) => {
          sizes.push(items.length);
          if (
            new Set(items.map(({ delivery }) => `${delivery.partition}/${delivery.epoch}`)).size > 1
          )
            mixed.push('mixed');
          for (const item of items) {
            const { n } = item.document;
            runs.set(n, [...(runs.get(n) ?? []), item.delivery.attempt]);
            if (n === 3 && item.delivery.attempt === 1) item.retry(new Error('once more'));
            if (n === 5) item.reject('never');
          }
          if (items.some(({ document, delivery }) => document.n === 9 && delivery.attempt === 1))
            throw new Error('all that is unsettled fails');
        },
        { size: 10, waitMs: 30 },
      );
      const bushalf = kind === 'event' ? context.bus.events : context.bus.data;
      const running = await bushalf.subscribe(topicOf(topic), 'work', handler, {
        backoff: { firstMs: 10, factor: 1, maxMs: 20 },
      });
      context.removeLater(kind, topic, 'work');
      context.closeLater(running);
      await context.publish(
        kind,
        topic,
        numbers(1, 40).map((n) => ({ n, key: `k${n}` })),
      );
      await context.until('nothing is left', async () => {
        const { running: now, buffered, held } = running.stats();
        return (
          runs.size === 40 &&
          now + buffered + held === 0 &&
          (runs.get(3)?.length ?? 0) > 1 &&
          runs.get(9)?.at(-1) === 2
        );
      });
      await context.drain(kind, topic, 'work');
      expect(
        Math.max(...sizes) > 1 && Math.max(...sizes) <= 10,
        `batches of 2 to 10 documents (the largest had ${Math.max(...sizes)})`,
      );
      expectSame(mixed, [], 'batches of more than one partition or epoch');
      expectSame(runs.size, 40, 'documents handled');
      expectSame(
        [runs.get(5), runs.get(9)?.at(-1)],
        [[1], 2],
        'attempts of the rejected and of the failed document',
      );
      expect((runs.get(3)?.length ?? 0) >= 2, 'the item to be retried came again');
      const letters = await listed(lettersOf(context, kind, topic, 'work'));
      expectSame(
        letters.map(({ reason }) => reason),
        ['rejected'],
        'dead letters',
      );
    },
  };
}

/** A Standard Schema, made by hand: numbers as text become numbers. */
function schema(field: string): {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (
      value: unknown,
    ) => { value: Record<string, number> } | { issues: { message: string }[] };
  };
} {
  const validate = (
    value: unknown,
  ): { value: Record<string, number> } | { issues: { message: string }[] } => {
    const given = (value as Record<string, unknown> | null)?.[field];
    return typeof given === 'string' && /^\d+$/.test(given)
      ? { value: { [field]: Number(given) } }
      : { issues: [{ message: `${field} must be digits` }] };
  };
  return { '~standard': { version: 1, vendor: 'duobus-conformance', validate } };
}

export const schemas: Case = {
  name: 'schemas',
  promises:
    'What a schema refuses is refused at publish; what arrives all the same is a dead letter at once.',
  causes: "The attribute `type` does not arrive as published, or 'dead' loses its `state`.",
  rules: ['C9'],
  needs: ['event'],
  async run(context) {
    const { name } = context.topic();
    const { events } = context.bus;
    const typed = topicWith(name, {
      partitions: 2,
      types: { 'order.placed': schema('amount'), 'order.paid': schema('paid') },
    });
    const got: unknown[] = [];
    const running = await events.subscribe(typed, 'work', {
      'order.placed': (document) => void got.push(['placed', document]),
      'order.paid': (document) => void got.push(['paid', document]),
    });
    context.removeLater('event', { name, options: {} }, 'work');
    context.closeLater(running);
    await events.publish(typed, { amount: '12' }, { type: 'order.placed' });
    await events.publish(typed, { paid: '7' }, { type: 'order.paid' });
    await expectRefused(
      'a document that its schema refuses',
      () => events.publish(typed, { amount: 'many' }, { type: 'order.placed' }),
      'DUOBUS_INVALID',
    );
    await expectRefused(
      'a topic with several types and none named',
      () => events.publish(typed, { amount: '1' }),
      'TypeError',
    );
    const untyped = topicWith<unknown>(name, { type: 'order.unknown' });
    await events.publish(untyped, { anything: true });
    const wrong = topicWith<unknown>(name, { type: 'order.paid' });
    await events.publish(wrong, { paid: 'nothing' });
    await context.until(
      'all are settled',
      async () =>
        (await events.depth(typed, 'work')).total === 0 &&
        got.length === 2 &&
        (await listed(events.deadLetters(typed, 'work'))).length === 2,
    );
    expectSame(
      got.map((seen) => JSON.stringify(seen)).toSorted(),
      ['["paid",{"paid":7}]', '["placed",{"amount":12}]'],
      'the parsed documents',
    );
    const letters = await listed(events.deadLetters(typed, 'work'));
    expectSame(
      letters.map(({ reason }) => reason).toSorted(),
      ['schema', 'unknown-type'],
      'the reasons of the dead letters',
    );
    expect(
      letters.every(({ attempts }) => attempts <= 1),
      'neither is retried',
    );
  },
};

export const cases: readonly Case[] = [
  handle,
  timeout,
  batchCase('event'),
  batchCase('data'),
  schemas,
];
