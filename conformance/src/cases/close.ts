import type { Case } from '../case.ts';
import { topicOf } from '../document.ts';
import { expect, expectRefused, expectSame, numbers } from '../expect.ts';
import type { Kind } from '../protocol.ts';

function closeCase(kind: Kind): Case {
  return {
    name: `close.${kind}`,
    promises:
      'A bus that closes lets handlers finish and publish, settles what they did, and then refuses everything.',
    causes: '`stop` or `release` ends what `settle`, `commit` or a publish still needs.',
    rules: kind === 'event' ? ['C11', 'E5'] : ['C11', 'D4'],
    needs: [kind],
    async run(context) {
      const [topic, out] = [context.topic(), context.topic()];
      const member = await context.member();
      const sink = await context.consume(kind, out, 'sink');
      let published = 0;
      const consumer = await context.consume(kind, topic, 'work', {
        member,
        options: { concurrency: 4 },
        handler: async ({ n }) => {
          await new Promise((resolve) => setTimeout(resolve, 50));
          await context.publish(kind, out, [{ n, key: `k${n}` }], member);
          published += 1;
        },
      });
      await context.publish(
        kind,
        topic,
        numbers(1, 4).map((n) => ({ n, key: `k${n}` })),
      );
      await context.until('handlers are running', () => consumer.deliveries.length === 4);
      const closing = member.bus.close();
      const half = kind === 'event' ? member.bus.events : member.bus.data;
      await expectRefused(
        'subscribe while closing',
        () => half.subscribe(topicOf(topic), 'more', () => undefined),
        'DUOBUS_CLOSED',
      );
      await Promise.all([closing, member.bus.close()]);
      await member.bus.close();
      expectSame(
        [published, consumer.deliveries.filter(({ type }) => type === 'ok').length],
        [4, 4],
        'handlers that finished and could publish during the close',
      );
      await expectRefused(
        'publish after close',
        () => half.publish(topicOf(topic), { run: context.run, n: 9, key: 'k' }),
        'DUOBUS_CLOSED',
      );
      await consumer.handle.done;
      await context.drain(kind, out, 'sink');
      expectSame(sink.deliveries.length, 4, 'what the handlers published');
      const after = await context.consume(kind, topic, 'work');
      await context.sentinel(kind, topic, [after], ['k1', 'k2', 'k3', 'k4']);
      expectSame(after.deliveries.length, 4, 'deliveries after a clean close: the sentinels alone');
    },
  };
}

function flush(kind: Kind): Case {
  return {
    name: `close.${kind}.flushes`,
    promises: 'What is being published when a bus closes is stored when it is closed.',
    causes:
      '`publish` or `append` gives up when `close` is called, or answers before it is stored.',
    rules: ['C11', 'C2'],
    needs: [kind],
    async run(context) {
      const topic = context.topic();
      const consumer = await context.consume(kind, topic, 'work');
      const member = await context.member();
      await context.publish(kind, topic, [{ n: 1, key: 'k' }], member);
      const publishing = context.attempt(
        kind,
        topic,
        numbers(2, 30).map((n) => ({ n, key: `k${n}` })),
        member,
      );
      await member.bus.close();
      expect(
        (await publishing).every(({ receipt }) => receipt !== undefined),
        'what was published before the close is stored when it is over',
      );
      await context.drain(kind, topic, 'work');
      expectSame(consumer.deliveries.length, 31, 'deliveries of what was published');
    },
  };
}

export const grace: Case = {
  name: 'close.grace',
  promises: 'A handler that hangs does not hold up a close, and its document comes again.',
  causes: '`close` of a member waits for what is unsettled, or does not give it back.',
  rules: ['C11', 'E12'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const member = await context.member();
    const consumer = await context.consume('event', topic, 'work', {
      member,
      script: { hang: [1] },
      options: { graceMs: 200 },
    });
    await context.publish('event', topic, [1, 2]);
    await context.until(
      'one hangs and the other is handled',
      () =>
        consumer.deliveries.length === 2 && consumer.deliveries.some(({ type }) => type === 'ok'),
    );
    const began = Date.now();
    await consumer.close();
    await member.bus.close({ graceMs: 200 });
    expect(
      Date.now() - began < 15_000 * context.slow,
      'a handler that hangs does not hold up the close',
    );
    const after = await context.consume('event', topic, 'work');
    await context.drain('event', topic, 'work');
    expectSame(
      after.deliveries.map(({ n, attempt }) => [n, attempt]),
      [[1, 1]],
      'what was not finished comes again, and its attempt',
    );
    expect(
      after.deliveries.every(({ redelivered, cause }) => redelivered && cause !== 'first'),
      'it says that it was handed out before',
    );
  },
};

export const processEnds: Case = {
  name: 'close.lets-the-process-go',
  promises: 'After `close` nothing keeps the process alive.',
  causes: 'A timer, socket or poll outlives `close` of the driver or of a member.',
  rules: ['C11'],
  needs: ['event', 'data'],
  async run(context) {
    const topic = context.topic();
    const member = await context.mortal();
    const [queue, log] = [
      await context.consume('event', topic, 'work', { member }),
      await context.consume('data', topic, 'work', { member }),
    ];
    await context.publish('event', topic, numbers(1, 3));
    await context.publish('data', topic, numbers(1, 3));
    await context.until(
      'all are handled',
      () => queue.deliveries.length === 3 && log.deliveries.length === 3,
    );
    const began = Date.now();
    await member.close();
    expect(
      Date.now() - began < 20_000 * context.slow,
      'closing is quick, and nothing keeps the process alive afterwards',
    );
  },
};

export const cases: readonly Case[] = [
  closeCase('event'),
  closeCase('data'),
  flush('event'),
  flush('data'),
  grace,
  processEnds,
];
