import { comparePositions, type Delivery, idempotent, memoryStore } from '@duobus/core';
import type { Case } from '../case.ts';
import { digestOf, topicOf } from '../document.ts';
import { expect, expectDocuments, expectSame, numbers } from '../expect.ts';
import { sameSequence } from '../log-predicates.ts';
import { handled, spread } from './groups.ts';

export const replayIdempotence: Case = {
  name: 'replay-idempotence',
  promises:
    'Two readings from one position give the same documents: order, positions, ids, bytes and attributes.',
  causes:
    'Offsets are given out at reading instead of at `append`, or headers and bodies are changed on the way.',
  rules: ['D7'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 3 });
    const digests = new Map<string, Set<string>>();
    const handler = (document: unknown, { position, attributes }: Delivery): void => {
      const key = String(position);
      digests.set(key, (digests.get(key) ?? new Set()).add(digestOf(document, attributes)));
    };
    const how = { handler, options: { concurrency: 1 } };
    const consumer = await context.consume('data', topic, 'work', how);
    await context.publish(
      'data',
      topic,
      numbers(1, 40).map((n) => ({ n, key: `k${n % 9}`, text: `ünïcödé ${n} 🎉 \u0000 "quotes"` })),
    );
    await context.drain('data', topic, 'work');
    await context.reset(topic, 'work', 'earliest');
    await context.until('it has been read twice', () => handled(consumer).length === 80);
    await context.drain('data', topic, 'work');
    const other = await context.consume('data', topic, 'other', {
      ...how,
      member: await context.member(),
    });
    await context.drain('data', topic, 'other');
    const [first, second] = [
      consumer.deliveries.filter(({ epoch }) => epoch === 0),
      consumer.deliveries.filter(({ epoch }) => epoch === 1),
    ];
    expectSame(
      sameSequence(first, second),
      [],
      'the differences between two readings of one group',
    );
    expectSame(
      sameSequence(first, other.deliveries),
      [],
      'the differences to the reading of another group and connection',
    );
    expectSame(
      [...digests.values()].filter((different) => different.size > 1).length,
      0,
      'documents that differ in any byte or attribute',
    );
    const positions: string[] = [];
    for await (const entry of context.bus.data.read(topicOf(topic))) {
      positions.push(entry.position);
      if (entry.error === undefined)
        expect(
          digests.get(entry.position)?.has(digestOf(entry.document, entry.attributes)) === true,
          `read gives ${entry.position} as the group got it`,
        );
    }
    expectSame(
      positions.toSorted(),
      [...digests.keys()].toSorted(),
      'the positions that read gives',
    );
  },
};

export const replayHeals: Case = {
  name: 'replay-heals',
  promises:
    'In a replay a new scope of an idempotent handler runs again, and an old scope does not.',
  causes:
    '`id` or `source` differ between two readings, or a reset does not deliver everything again.',
  rules: ['D7', 'D5'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic();
    const store = memoryStore();
    const effects: string[] = [];
    const effect = (scope: string) =>
      idempotent<{ readonly n: number }>(({ n }) => void effects.push(`${scope}:${n}`), {
        store,
        scope,
      });
    const [mail, model] = [effect('mail'), [effect('model-v1'), effect('model-v2')]];
    let version = 0;
    const consumer = await context.consume('data', topic, 'work', {
      handler: async (document, delivery) => {
        await mail(document, delivery);
        await model[version]?.(document, delivery);
      },
    });
    await context.publish('data', topic, spread(1, 10));
    await context.drain('data', topic, 'work');
    version = 1;
    await context.reset(topic, 'work', 'earliest');
    await context.until('it has been read twice', () => handled(consumer).length === 20);
    const count = (scope: string): number =>
      effects.filter((done) => done.startsWith(`${scope}:`)).length;
    expectSame(
      [count('mail'), count('model-v1'), count('model-v2')],
      [10, 10, 10],
      'effects: the same scope once, a new scope again',
    );
  },
};

export const read: Case = {
  name: 'read',
  promises: 'History can be read from and to any place, without a group, moving no pointer.',
  causes:
    '`read` does not begin exactly at `from`, says `atEnd` too early, or leaves a group at the broker.',
  rules: ['D13', 'D6'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 2 });
    const { data } = context.bus;
    const consumer = await context.consume('data', topic, 'work');
    await context.publish('data', topic, spread(1, 20));
    await context.drain('data', topic, 'work');
    const pointers = await data.pointers(topicOf(topic), 'work');
    const all: { n: number; position: string; partition: number }[] = [];
    for await (const { document, position, partition } of data.read(topicOf(topic)))
      all.push({ n: document?.n ?? -1, position, partition });
    expectDocuments(
      all.map(({ n }) => n).toSorted((a, b) => a - b),
      numbers(1, 20),
      'all of the history',
    );
    const places = new Map(consumer.deliveries.map(({ n, position }) => [n, position]));
    expectSame(
      all.map(({ position }) => position),
      all.map(({ n }) => places.get(n)),
      'the positions, which are those that the group was given',
    );
    for (const partition of [0, 1]) {
      const part = all
        .filter((entry) => entry.partition === partition)
        .map(({ position }) => position);
      expectSame(part, part.toSorted(comparePositions), `the order of partition ${partition}`);
      const some: string[] = [];
      const from = {
        positions: {
          0: String(all.find((entry) => entry.partition === 0)?.position),
          1: String(all.find((entry) => entry.partition === 1)?.position),
          [partition]: part[2] as string,
        },
      };
      const to = { positions: { [partition]: part[5] as string } };
      for await (const { position } of data.read(topicOf(topic), { partition, from, to }))
        some.push(position);
      expectSame(
        some,
        part.slice(2, 5),
        `partition ${partition} from its third to before its sixth document`,
      );
    }
    let taken = 0;
    for await (const entry of data.read(topicOf(topic), { limit: 7 }))
      taken += entry.error === undefined ? 1 : 0;
    expectSame(taken, 7, 'documents with limit 7');
    const iterator = data.read(topicOf(topic))[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.return?.();
    expectSame((await iterator.next()).done, true, 'whether a loop that was left is over');
    expectSame(
      await data.pointers(topicOf(topic), 'work'),
      pointers,
      'the pointers of a group after reading',
    );
    expectSame(await data.groups(topicOf(topic)), ['work'], 'the groups: reading needs none');
    expectSame(consumer.deliveries.length, 20, 'deliveries to the group');
  },
};

export const positions: Case = {
  name: 'portable-positions',
  promises: 'Positions and receipts can be stored and used later, in another process.',
  causes:
    'Offsets mean something within one connection only, or `append` answers another place than `read` gives.',
  rules: ['D12'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 2 });
    const first = await context.member();
    const consumer = await context.consume('data', topic, 'work', {
      member: first,
      options: { concurrency: 1 },
    });
    const receipts = await context.publish('data', topic, spread(1, 20));
    await context.drain('data', topic, 'work');
    await first.close();
    const stored = JSON.parse(
      JSON.stringify({
        receipts,
        deliveries: consumer.deliveries.map(({ id, position, partition }) => ({
          id,
          position,
          partition,
        })),
      }),
    ) as {
      receipts: typeof receipts;
      deliveries: { id: string; position: string; partition: number }[];
    };
    const byId = new Map(stored.deliveries.map((delivery) => [delivery.id, delivery]));
    for (const receipt of stored.receipts) {
      const delivery = byId.get(receipt.id);
      expectSame(
        [receipt.v, receipt.topic, receipt.partition],
        [1, topic.name, delivery?.partition],
        'what a receipt says',
      );
      if (receipt.position !== undefined)
        expectSame(
          receipt.position,
          delivery?.position,
          'the position of a receipt and of its delivery',
        );
      if (context.bus.data.capabilities.confirmHasPosition)
        expect(
          receipt.position !== undefined,
          'a receipt has a position where confirms are declared to have it',
        );
    }
    const [zero, one] = [0, 1].map((partition) =>
      stored.deliveries
        .filter((delivery) => delivery.partition === partition)
        .map(({ position }) => position),
    );
    expect((zero?.length ?? 0) > 1 && (one?.length ?? 0) > 1, 'both partitions hold documents');
    expect(
      comparePositions(zero?.[0] as string, zero?.[1] as string) < 0,
      'positions of a partition have an order',
    );
    let refused = false;
    try {
      comparePositions(zero?.[0] as string, one?.[0] as string);
    } catch {
      refused = true;
    }
    expect(refused, 'comparing positions of two partitions throws');
    const target = zero?.[1] as string;
    const second = await context.member();
    await context.reset(topic, 'work', { positions: { 0: target } }, second);
    const again = await context.consume('data', topic, 'work', {
      member: second,
      options: { concurrency: 1 },
    });
    await context.drain('data', topic, 'work');
    expectSame(
      again.deliveries.map(({ position }) => position),
      zero?.slice(1),
      'what a stored position leads back to, on another connection',
    );
  },
};

export const cases: readonly Case[] = [replayIdempotence, replayHeals, read, positions];
