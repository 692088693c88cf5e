import type { Bus } from '@duobus/core';
import type { Case, Unsupported } from '../case.ts';
import type { Draft } from '../context.ts';
import { topicOf } from '../document.ts';
import { expect, expectRefused, expectSame, numbers } from '../expect.ts';
import { listed, lettersOf } from './failure.ts';
import type { Kind } from '../protocol.ts';

/** Adapters that do not declare order by key on the event bus must refuse such topics. */
export function needsKeyOrder(bus: Bus): Unsupported | undefined {
  if (bus.events.capabilities.order.key) return undefined;
  return {
    what: "order 'key' on the event bus",
    probe: (context) => context.bus.events.topics.ensure(topicOf(context.topic({ order: 'key' }))),
  };
}

function interleaved(keys: number, each: number): Draft[] {
  return numbers(0, keys * each).map((n) => ({ n, key: `k${n % keys}` }));
}

function orderCase(kind: Kind): Case {
  return {
    name: `order-by-key.${kind}`,
    promises:
      'Documents of a key are handled one at a time in the order of their publishes, also over retries.',
    causes:
      'Overlapping calls for one partition are stored in another order, records reach the inbox out of order, or a partition has two owners.',
    rules: kind === 'event' ? ['E10', 'C12'] : ['D9', 'C12'],
    needs: [kind],
    ...(kind === 'event' ? { requires: needsKeyOrder } : {}),
    async run(context) {
      const topic = context.topic({ order: 'key', partitions: 3 });
      const failing = new Map(
        numbers(0, 4).map((index) => [
          context.random.below(80) + index * 2,
          1 + context.random.below(2),
        ]),
      );
      const tries = new Map<number, number>();
      const consumer = await context.consume(kind, topic, 'work', {
        options: { concurrency: 8 },
        handler: async ({ n }) => {
          await new Promise((resolve) => setTimeout(resolve, context.random.below(8)));
          const failed = tries.get(n) ?? 0;
          if (failed >= (failing.get(n) ?? 0)) return;
          tries.set(n, failed + 1);
          throw new Error(`document ${n} fails`);
        },
      });
      // Drawn, so that neighbours have the same key now and then: in turn they never would.
      await context.publish(
        kind,
        topic,
        numbers(0, 105).map((n) => ({ n, key: `k${context.random.below(7)}` })),
      );
      await context.drain(kind, topic, 'work');
      expectSame(
        new Set(consumer.deliveries.filter(({ type }) => type === 'ok').map(({ n }) => n)).size,
        105,
        'documents handled',
      );
      expectSame((await listed(lettersOf(context, kind, topic, 'work'))).length, 0, 'dead letters');
    },
  };
}

function releasedLane(kind: Kind): Case {
  return {
    name: `order-by-key.${kind}.dead-letter-releases`,
    promises:
      'A failing document holds back its own key until it is a dead letter; then the key goes on.',
    causes:
      'The dead letter is never confirmed, or the partition hands out what is newer before what was given back.',
    rules: ['C12', 'C4'],
    needs: [kind],
    ...(kind === 'event' ? { requires: needsKeyOrder } : {}),
    async run(context) {
      const topic = context.topic({ order: 'key', partitions: 1 });
      const consumer = await context.consume(kind, topic, 'work', {
        script: { fail: { 0: 99 } },
        options: { maxAttempts: 3 },
      });
      await context.publish(kind, topic, interleaved(2, 5));
      await context.drain(kind, topic, 'work');
      const first = (n: number): number => consumer.deliveries.findIndex((op) => op.n === n);
      const last = consumer.deliveries.findLastIndex(({ n }) => n === 0);
      expect(first(2) > last, 'the next document of the key waits until the failing one is dead');
      expectSame(
        consumer.deliveries.filter(({ type }) => type === 'ok').length,
        9,
        'documents handled',
      );
      expectSame(
        consumer.deliveries.filter(({ cause }) => cause !== 'first').map(({ n }) => n),
        [0, 0],
        'repetitions: those of the failing document, and nothing else looks like one',
      );
      expectSame(
        (await listed(lettersOf(context, kind, topic, 'work'))).map(({ attempts }) => attempts),
        [3],
        'the attempts of the dead letters',
      );
    },
  };
}

function handOver(kind: Kind): Case {
  return {
    name: `order-by-key.${kind}.join-and-leave`,
    promises:
      'Consumers that come and go share the partitions evenly; moving one loses and repeats nothing.',
    causes:
      'A partition is assigned elsewhere before `release`, or what was unsettled goes behind what is newer.',
    rules: kind === 'event' ? ['E10', 'C12', 'E2'] : ['D9', 'C12'],
    needs: [kind],
    ...(kind === 'event' ? { requires: needsKeyOrder } : {}),
    async run(context) {
      const topic = context.topic({ order: 'key', partitions: 4 });
      const drafts = interleaved(11, 30);
      const how = { script: { delayMs: 3 }, options: { concurrency: 4, prefetch: 10 } };
      const [one, two] = [await context.member(), await context.member()];
      const a = await context.consume(kind, topic, 'work', { member: one, ...how });
      const published = context.publish(kind, topic, drafts);
      published.catch(() => undefined); // it is told below, unless something else fails first
      await context.until('the first is at work', () => a.deliveries.length > 20);
      const b = await context.consume(kind, topic, 'work', { member: two, ...how });
      await published;
      await context.until(
        'the partitions are shared evenly',
        () => a.handle.stats().partitions.length === 2 && b.handle.stats().partitions.length === 2,
      );
      await context.publish(
        kind,
        topic,
        drafts.map((draft) => ({
          ...(draft as { n: number }),
          n: (draft as { n: number }).n + 1_000,
        })),
      );
      await context.until('both are at work', () => b.deliveries.length > 20);
      await a.close();
      await context.until('the second owns all', () => b.handle.stats().partitions.length === 4);
      await context.drain(kind, topic, 'work');
      const handled = [...a.deliveries, ...b.deliveries]
        .filter(({ type }) => type === 'ok')
        .map(({ id }) => id);
      expectSame(new Set(handled).size, 660, 'documents handled by the two together');
      expectSame(handled.length, 660, 'handled runs: an orderly move repeats nothing');
    },
  };
}

/** Owners that hold differently much close one after the other, while documents come in. */
function cleanHandovers(kind: Kind): Case {
  return {
    name: `order-by-key.${kind}.clean-handovers`,
    promises:
      'Consumers that close one after the other hand over without repeating or reordering anything.',
    causes:
      'What a closing member gives back goes behind what is newer, or `close` goes ahead of the last settlement or commit.',
    rules: kind === 'event' ? ['E10', 'C12', 'C11'] : ['D9', 'C12', 'C11'],
    needs: [kind],
    ...(kind === 'event' ? { requires: needsKeyOrder } : {}),
    async run(context) {
      const topic = context.topic({ order: 'key', partitions: 2 });
      const group = await context.consume(kind, topic, 'work');
      await group.close();
      const over = new AbortController();
      let published = 0;
      const publishing = (async () => {
        while (!over.signal.aborted) {
          const batch = numbers(published, 5).map((n) => ({ n, key: `k${n % 4}` }));
          published += 5;
          await context.publish(kind, topic, batch);
          await new Promise((resolve) => setTimeout(resolve, context.random.below(10)));
        }
      })();
      publishing.catch(() => undefined); // it is told in the end
      const consumers = [];
      try {
        for (const maxAhead of [1_000, 20, 3, 1_000, 1, 40]) {
          const consumer = await context.consume(kind, topic, 'work', {
            script: { delayMs: 3 },
            options: { concurrency: 2, maxAhead },
          });
          consumers.push(consumer);
          await context.until('it is at work', () => consumer.deliveries.length > 15);
          await consumer.close();
        }
      } finally {
        over.abort();
        await publishing;
      }
      consumers.push(await context.consume(kind, topic, 'work'));
      await context.drain(kind, topic, 'work');
      const runs = consumers.flatMap(({ deliveries }) => deliveries);
      expectSame(
        [new Set(runs.map(({ n }) => n)).size, runs.length],
        [published, published],
        'documents handled, and runs: orderly closes repeat nothing',
      );
      expect(
        runs.every(({ cause }) => cause !== 'takeover'),
        'nothing looks as if a process had died of it',
      );
    },
  };
}

/** What waits behind a failing document is bounded: then its partition stands still, and says so. */
function stalls(kind: Kind): Case {
  return {
    name: `order-by-key.${kind}.stalls`,
    promises:
      'What waits behind a failing document is bounded: its partition stands still, and the handle says so.',
    causes: '`pause` does not hold back what is given out, or `resume` never asks for it again.',
    rules: kind === 'event' ? ['C12', 'C6', 'E10'] : ['C12', 'C6', 'D9'],
    needs: [kind],
    ...(kind === 'event' ? { requires: needsKeyOrder } : {}),
    async run(context) {
      const topic = context.topic({ order: 'key', partitions: 1 });
      let broken = true;
      const consumer = await context.consume(kind, topic, 'work', {
        options: {
          maxAhead: 10,
          maxAttempts: 30,
          backoff: { firstMs: 1_000, factor: 1, maxMs: 1_000 },
        },
        handler: ({ n }) => {
          if (n === 0 && broken) throw new Error('not yet');
        },
      });
      const { handle } = consumer;
      await context.publish(kind, topic, [{ n: 0, key: 'k0' }]);
      await context.publish(kind, topic, interleaved(1, 60).slice(1));
      await context.publish(kind, topic, [{ n: 60, key: 'another' }]);
      // A queue may hold back the documents of a key itself: then those of others go on.
      const goesOn = (): boolean =>
        kind === 'event' && consumer.deliveries.some(({ n, type }) => n === 60 && type === 'ok');
      await context.until('the handle says stalled', () => handle.state === 'stalled' || goesOn());
      expect(
        goesOn() || handle.detail?.includes(String(consumer.deliveries[0]?.id)) === true,
        `it says behind which document (it says: ${handle.detail})`,
      );
      const { buffered, held } = handle.stats();
      expect(
        kind === 'data' || buffered + held <= 10,
        `no more than maxAhead (10) are held, not ${buffered + held}`,
      );
      broken = false;
      await context.drain(kind, topic, 'work');
      await context.until('the handle says running again', () => handle.state === 'running');
      expectSame(
        consumer.deliveries.filter(({ type }) => type === 'ok').length,
        61,
        'documents handled',
      );
    },
  };
}

export const keyRequired: Case = {
  name: 'order-by-key.key-required',
  promises: 'Publishing without a key to a topic ordered by key is a `TypeError`.',
  causes:
    'Core refuses it by the stored `order`: `ensureTopic` does not return the record as it was stored.',
  rules: ['C12'],
  needs: ['event'],
  requires: needsKeyOrder,
  async run(context) {
    const topic = context.topic({ order: 'key' });
    await expectRefused(
      'publish without a key',
      () => context.bus.events.publish(topicOf(topic), { run: context.run, n: 1 }),
      'TypeError',
    );
  },
};

function samePartition(kind: Kind): Case {
  return {
    name: kind === 'data' ? 'order-by-key.murmur2' : 'order-by-key.event.murmur2',
    promises:
      "A key goes to the partition that Java's Kafka client would choose, on every adapter.",
    causes:
      'Core chooses: the driver stores in another partition than it is given, says another when it hands out, or `ensureTopic` returns another number of them.',
    rules: kind === 'data' ? ['C12', 'D12'] : ['C12', 'E10'],
    needs: [kind],
    ...(kind === 'event' ? { requires: needsKeyOrder } : {}),
    async run(context) {
      const topic = context.topic({ order: 'key', partitions: 4 });
      // What Java's Kafka client answers for four partitions: DefaultPartitioner, murmur2, positive.
      const known: readonly (readonly [string, number])[] = javaPartitions;
      const consumer = await context.consume(kind, topic, 'work');
      const receipts = await context.publish(
        kind,
        topic,
        known.map(([key], n) => ({ n, key })),
      );
      expectSame(
        receipts.map(({ partition }) => partition),
        known.map(([, partition]) => partition),
        'the partitions of the keys',
      );
      await context.drain(kind, topic, 'work');
      expectSame(
        consumer.deliveries
          .toSorted((a, b) => a.n - b.n)
          .map(({ key, partition }) => [key, partition]),
        known,
        'the partitions that the documents come from',
      );
    },
  };
}

/** What a failing document has come to is known to the next owner of its partition. */
export const attemptsSurvive: Case = {
  name: 'order-by-key.event.attempts-survive',
  promises: 'The next owner of a partition knows how often a document of it has failed.',
  causes: '`note` is not written where the next owner of the partition reads it.',
  rules: ['C3', 'E10'],
  needs: ['event'],
  requires: needsKeyOrder,
  dies: true,
  async run(context) {
    const topic = context.topic({ order: 'key', partitions: 1 });
    const doomed = await context.mortal();
    const before = await context.consume('event', topic, 'work', {
      member: doomed,
      script: { fail: { 2: 99 }, againMs: 60_000 },
    });
    await context.publish('event', topic, interleaved(4, 1));
    await context.until(
      'one has failed and the others are handled',
      () =>
        before.deliveries.filter(({ type }) => type === 'ok').length === 3 &&
        before.deliveries.some(({ type }) => type === 'fail'),
    );
    // Only what is written survives: give it the time to be.
    await context.elapse(1_000);
    await doomed.crash();
    const after = await context.consume('event', topic, 'work');
    await context.drain('event', topic, 'work');
    expectSame(
      after.deliveries.filter(({ n }) => n === 2).map(({ attempt }) => attempt),
      [2],
      'the attempt of the document that had failed once',
    );
  },
};

/** Keys and their partition of four, by murmur2 of the key's UTF-8 with the sign bit off. */
const javaPartitions: readonly (readonly [string, number])[] = [
  '21',
  'foobar',
  'a-little-bit-long-string',
  'a-little-bit-longer-string',
  'lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8',
  'abc',
].map((key, index) => [
  key,
  // Hashes from org.apache.kafka.common.utils.UtilsTest.testMurmur2.
  (([-973_932_308, -790_332_482, -985_981_536, -1_486_304_829, -58_897_971, 479_470_107][
    index
  ] as number) &
    0x7fffffff) %
    4,
]);

export const cases: readonly Case[] = [
  orderCase('event'),
  orderCase('data'),
  releasedLane('event'),
  releasedLane('data'),
  handOver('event'),
  handOver('data'),
  cleanHandovers('event'),
  cleanHandovers('data'),
  stalls('event'),
  stalls('data'),
  keyRequired,
  samePartition('event'),
  samePartition('data'),
  attemptsSurvive,
];
