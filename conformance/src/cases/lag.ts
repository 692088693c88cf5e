import type { Case } from '../case.ts';
import { topicOf } from '../document.ts';
import { expect, expectRefused, expectSame, numbers } from '../expect.ts';
import { aborted } from '../script.ts';
import { handled, spread } from './groups.ts';

/** Holds handlers up until it is opened. */
class Gate {
  readonly #opened: Promise<void>;
  open: () => void = () => undefined;

  constructor() {
    this.#opened = new Promise((resolve) => (this.open = resolve));
  }

  async pass(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#opened, aborted(signal)]);
  }
}

export const lag: Case = {
  name: 'lag',
  promises: 'Lag tells how far a group is behind, in documents and in time.',
  causes:
    "The end of `bounds` is old or not the place after the last record, or `time` is not the broker's append time.",
  rules: ['D11'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 2 });
    const { data } = context.bus;
    const gate = new Gate();
    const consumer = await context.consume('data', topic, 'work', {
      options: { concurrency: 2 },
      handler: async (_, { signal }) => {
        await gate.pass(signal);
      },
    });
    expectSame(
      (await data.lag(topicOf(topic), 'work')).records,
      0,
      'the lag of a group on an empty topic',
    );
    await context.publish('data', topic, spread(1, 20));
    const since = Date.now();
    await context.until('time passes', () => Date.now() - since > 50);
    const behind = await data.lag(topicOf(topic), 'work');
    expect(
      data.capabilities.dense ? behind.records === 20 : behind.records >= 20,
      `a group that has handled nothing is 20 records behind (it says ${behind.records})`,
    );
    expect(
      behind.ms >= 40 && behind.ms < 60_000 * context.slow,
      `lag tells the age of the first unhandled record (it says ${behind.ms} ms)`,
    );
    expectSame(
      behind.partitions.map(({ partition }) => partition),
      [0, 1],
      'the partitions of lag',
    );
    expectSame(
      behind.partitions.reduce((sum, { records }) => sum + records, 0),
      behind.records,
      'the sum of the partitions',
    );
    gate.open();
    await context.drain('data', topic, 'work');
    const none = await data.lag(topicOf(topic), 'work');
    expectSame([none.records, none.ms], [0, 0], 'the lag when all is handled');
    expectSame(consumer.deliveries.length, 20, 'deliveries');
  },
};

export const waitFor: Case = {
  name: 'wait-for',
  promises: 'One can wait until a group has handled a document, and is told what became of it.',
  causes: '`pointers` does not tell what `commit` has stored, or `append` answers a wrong place.',
  rules: ['D11', 'D12'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 2 });
    const { data } = context.bus;
    const gate = new Gate();
    await context.consume('data', topic, 'work', {
      options: { maxAttempts: 1 },
      handler: async ({ n }, { signal }) => {
        if (n === 2) throw new Error('poison');
        if (n >= 3) await gate.pass(signal);
      },
    });
    const [one, two] = await context.publish('data', topic, [
      { n: 1, key: 'a' },
      { n: 2, key: 'b' },
    ]);
    const wait = { timeoutMs: 20_000 * context.slow };
    expectSame(
      (await data.waitFor(topicOf(topic), 'work', one!, wait)).outcome,
      'done',
      'the outcome of a handled document',
    );
    expectSame(
      (await data.waitFor(topicOf(topic), 'work', JSON.parse(JSON.stringify(two)), wait)).outcome,
      'dead',
      'the outcome of a dead letter',
    );
    const [three] = await context.publish('data', topic, [{ n: 3, key: 'c' }]);
    await expectRefused(
      'waiting for what is not handled in time',
      () => data.waitFor(topicOf(topic), 'work', three!, { timeoutMs: 200 }),
      'DUOBUS_TIMEOUT',
    );
    const waiting = expectRefused(
      'waiting while the group is reset',
      () => data.waitFor(topicOf(topic), 'work', three!, wait),
      'DUOBUS_RESET',
    );
    await Promise.all([context.reset(topic, 'work', 'latest'), waiting]);
    gate.open();
    const [four] = await context.publish('data', topic, [{ n: 4, key: 'c' }]);
    expectSame(
      (await data.waitFor(topicOf(topic), 'work', four!, wait)).outcome,
      'done',
      'the outcome after the reset',
    );
    const controller = new AbortController();
    const stopped = data
      .waitFor(
        topicOf(topic),
        'work',
        { ...four!, id: 'never', time: Date.now() },
        { signal: controller.signal },
      )
      .then(
        () => 'resolved',
        (error: unknown) => (error === controller.signal.reason ? 'aborted' : 'failed'),
      );
    controller.abort(new Error('enough'));
    expect((await stopped) !== 'failed', 'a wait ends with the reason of its signal');
  },
};

export const lostPosition: Case = {
  name: 'lost-position',
  promises:
    'When retention has passed its pointer a group does what its policy says, never silently.',
  causes:
    'Reading below the first record goes on instead of saying `trimmed`, or `read` throws something else than DUOBUS_POSITION_GONE.',
  rules: ['D8', 'D1'],
  needs: ['data'],
  requires: (bus) =>
    bus.data.capabilities.retention.bytes
      ? undefined
      : {
          what: 'retention by size',
          probe: (context) =>
            context.bus.data.topics.ensure(
              topicOf(context.topic({ retention: { maxBytes: 1_000 } })),
            ),
        },
  async run(context) {
    const topic = context.topic({ partitions: 1, retention: { maxBytes: 20_000 } });
    const { data } = context.bus;
    const policies = ['fail', 'earliest', 'latest'] as const;
    for (const onLost of policies) {
      const consumer = await context.consume('data', topic, onLost, {
        options: { onLost } as never,
      });
      if (onLost === 'fail') await context.publish('data', topic, [{ n: 1, key: 'a' }]);
      await context.drain('data', topic, onLost);
      await consumer.close();
    }
    const first = async (): Promise<string | undefined> => {
      for await (const { position } of data.read(topicOf(topic), { limit: 1 })) return position;
      return undefined;
    };
    const before = await first();
    let n = 2;
    const fill = async (): Promise<boolean> => {
      await context.publish(
        'data',
        topic,
        numbers(n, 20).map((number) => ({ n: number, key: 'a', text: 'x'.repeat(5_000) })),
      );
      n += 20;
      await context.harness.trim?.(topic.name);
      return (await first()) !== before && (await gone(context, topic));
    };
    await context.until('retention has passed the pointers', fill, 90_000);
    for (const name of policies)
      context.history.mark({ f: 'trimmed', process: 'suite', topic: `data:${topic.name}`, name });
    const failing = await context.consume('data', topic, 'fail', {
      options: { onLost: 'fail' } as never,
    });
    await context.until("the policy 'fail' says lost", () => failing.handle.state === 'lost');
    expectSame(failing.deliveries.length, 0, "deliveries under the policy 'fail'");
    const earliest = await context.consume('data', topic, 'earliest', {
      options: { onLost: 'earliest' } as never,
    });
    await context.until(
      "the policy 'earliest' goes on at what is kept",
      () => earliest.deliveries.length > 0,
    );
    const latest = await context.consume('data', topic, 'latest', {
      options: { onLost: 'latest' } as never,
    });
    await context.until(
      "the policy 'latest' has gone to the end",
      async () => (await data.lag(topicOf(topic), 'latest')).records === 0,
    );
    await context.sentinel('data', topic, [latest], ['a']);
    expectSame(handled(latest).length, 0, "documents between, under the policy 'latest'");
    expect(
      earliest.deliveries.every(({ position }) => position !== before),
      'what is gone is not delivered',
    );
    await expectRefused(
      'a reset to a position that is gone',
      () => data.reset(topicOf(topic), 'latest', { positions: { 0: String(before) } }),
      'DUOBUS_POSITION_GONE',
    );
  },
};

/** Whether the place after the first document is gone too: that is where the pointers are. */
async function gone(
  context: Parameters<Case['run']>[0],
  topic: Parameters<typeof topicOf>[0],
): Promise<boolean> {
  const positions = await context.bus.data.pointers(topicOf(topic), 'fail');
  try {
    await context.bus.data.reset(topicOf(topic), 'latest', { positions }, { dryRun: true });
    return false;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'DUOBUS_POSITION_GONE') return true;
    throw error;
  }
}

export const cases: readonly Case[] = [lag, waitFor, lostPosition];
