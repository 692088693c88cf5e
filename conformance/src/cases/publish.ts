import {
  type Bus,
  bytes,
  type Delivery,
  type Handler,
  reject,
  topic as topicWith,
} from '@duobus/core';
import type { Case } from '../case.ts';
import type { CaseContext } from '../context.ts';
import { topicOf } from '../document.ts';
import { expect, expectDocuments, expectRefused, expectSame } from '../expect.ts';
import type { Kind } from '../protocol.ts';
import { listed, lettersOf } from './failure.ts';
import { handled, spread } from './groups.ts';

const half = (bus: Bus, kind: Kind): Bus['events'] | Bus['data'] =>
  kind === 'event' ? bus.events : bus.data;

function publishMany(kind: Kind): Case {
  return {
    name: `publish.many.${kind}`,
    promises: '`publishMany` tells of each document what became of it.',
    causes:
      'The driver throws for one record instead of reporting an outcome for each, in their order.',
    rules: ['C2', 'C10'],
    needs: [kind],
    async run(context) {
      const topic = context.topic({ maxBytes: 2_000 });
      const consumer = await context.consume(kind, topic, 'work', { handler: () => undefined });
      const document = (n: number, text = ''): object => ({ run: 'many', n, key: `k${n}`, text });
      const results = await half(context.bus, kind).publishMany(
        topicOf(topic) as never,
        [document(1), document(2, 'x'.repeat(3_000)), document(3)] as never,
      );
      expectSame(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
        'what became of each document',
      );
      const reason =
        results[1]?.status === 'rejected'
          ? (results[1].reason as { code?: string; outcome?: string })
          : {};
      expectSame(
        [reason.code, reason.outcome],
        ['DUOBUS_TOO_LARGE', 'rejected'],
        'why the second was refused',
      );
      await context.publish(kind, topic, [{ n: 4, key: 'k1' }]);
      await context.drain(kind, topic, 'work');
      expectDocuments(handled(consumer), [4], 'documents of this run');
      await context.until('all three are handled', () => consumer.handle.stats().handled === 3);
    },
  };
}

export const size: Case = {
  name: 'size',
  promises: 'A document may have 180 KiB, and larger ones are refused alike everywhere.',
  causes: 'The broker or its client has a lower limit than `maxDocumentBytes` declares.',
  rules: ['C10'],
  needs: ['event', 'data'],
  async run(context) {
    const topic = context.topic();
    for (const kind of ['event', 'data'] as const) {
      const consumer = await context.consume(kind, topic, 'work');
      const error = await expectRefused(
        'a document above the default of 180 KiB',
        () =>
          half(context.bus, kind).publish(topicOf(topic), {
            run: context.run,
            n: 1,
            key: 'k',
            text: 'x'.repeat(190_000),
          }),
        'DUOBUS_TOO_LARGE',
      );
      const { message } = error as Error;
      expect(message.includes('maxBytes'), 'the refusal names the option that raises the limit');
      await context.publish(kind, topic, [{ n: 2, key: 'k', text: 'x'.repeat(180_000) }]);
      await context.drain(kind, topic, 'work');
      expectDocuments(
        consumer.deliveries.map(({ n }) => n),
        [2],
        'what was delivered',
      );
    }
  },
};

export const waits: Case = {
  name: 'publish.signal',
  promises: 'A publish whose signal is aborted rejects with its reason and stores nothing.',
  causes:
    'The driver wraps the reason of a signal in an error of its own, or calls the broker all the same.',
  rules: ['C2'],
  needs: ['event', 'data'],
  async run(context) {
    const topic = context.topic();
    const reason = new Error('enough');
    for (const kind of ['event', 'data'] as const) {
      const consumer = await context.consume(kind, topic, 'work');
      let thrown: unknown;
      try {
        await half(context.bus, kind).publish(
          topicOf(topic),
          { run: context.run, n: 1, key: 'k' },
          { signal: AbortSignal.abort(reason) },
        );
      } catch (error) {
        thrown = error;
      }
      expect(
        thrown === reason,
        'a publish whose signal is aborted already rejects with its reason',
      );
      await context.sentinel(kind, topic, [consumer], ['k']);
      expectSame(consumer.deliveries.length, 1, 'deliveries: the sentinel alone');
    }
  },
};

export const republish: Case = {
  name: 'publish.same-envelope-again',
  promises: 'Publishing an envelope again is safe.',
  causes: "The broker's own deduplication refuses the second one: answer 'stored'.",
  rules: ['C2', 'E12'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const consumer = await context.consume('event', topic, 'work');
    for (let time = 0; time < 2; time += 1)
      await context.publish('event', topic, [{ n: 1, id: `again-${context.run}` }]);
    await context.publish('event', topic, [2]);
    await context.drain('event', topic, 'work');
    const times = consumer.deliveries.filter(({ n }) => n === 1).length;
    expect(
      times === 1 || times === 2,
      `an envelope published twice arrives once or twice, not ${times} times`,
    );
  },
};

/** Everything an envelope can carry, and bodies that are easily spoilt. */
function envelope(kind: Kind): Case {
  return {
    name: `envelope.${kind}`,
    promises: 'Bodies arrive byte for byte, and attributes as they were given.',
    causes:
      'Headers pass through something that is not safe for UTF-8, or an empty body becomes null.',
    rules: kind === 'event' ? ['C9', 'E1', 'C4'] : ['C9', 'D7', 'C4'],
    needs: [kind],
    async run(context) {
      const plain = context.topic({ keyed: false });
      const topic = topicWith<Uint8Array>(plain.name, { codec: bytes, partitions: 2 });
      const bushalf = half(context.bus, kind);
      const got: Arrived[] = [];
      const start = async (name: string, handler: Handler<Uint8Array>): Promise<void> => {
        const handle = await bushalf.subscribe(topic, name, handler);
        context.removeLater(kind, plain, name);
        context.closeLater(handle);
      };
      await start('work', (body, { key, attributes }) => void got.push({ body, key, attributes }));
      await start('grave', () => {
        throw reject('as it is told to');
      });
      const bodies = [
        new Uint8Array(0),
        new Uint8Array([0, 255, 254, 0, 195, 40]),
        Uint8Array.from({ length: 100_000 }, () => context.random.below(256)),
      ];
      for (const [index, body] of bodies.entries())
        await bushalf.publish(topic, body, { ...full, type: plain.name, id: `id ${index} ü` });
      await context.until('all have come', () => got.length >= bodies.length);
      expectFull('what is delivered', got, bodies);
      const letters = lettersOf(context, kind, plain, 'grave');
      await context.until(
        'all are dead',
        async () => (await listed(letters)).length === bodies.length,
      );
      const dead = (await listed(letters)).map(({ data, attributes = {} }): Arrived => {
        const given = attributes as Arrived['attributes'];
        return { body: data, key: given['partitionkey'], attributes: given };
      });
      expectFull('what is kept as a dead letter', dead, bodies);
      if (kind === 'event') return;
      const read: Arrived[] = [];
      for await (const entry of context.bus.data.read(topic)) {
        expect(entry.error === undefined, 'what is read can be decoded');
        read.push({ body: entry.document, key: entry.key, attributes: entry.attributes });
      }
      expectFull('what is read', read, bodies);
    },
  };
}

interface Arrived {
  readonly body: Uint8Array;
  readonly key: string | undefined;
  readonly attributes: Readonly<Record<string, string | undefined>>;
}

const full = {
  subject: 'Grüße, "quotes", 100% & 🎉',
  time: '2026-01-02T03:04:05.678Z',
  correlationId: 'c-1',
  causationId: 'c-0',
  key: 'kéy 🎉',
  extensions: { tenant: 'ünï', empty: 'x y' },
};

function expectFull(what: string, got: readonly Arrived[], bodies: readonly Uint8Array[]): void {
  for (const [index, body] of bodies.entries()) {
    const found = got.find(({ attributes }) => attributes['id'] === `id ${index} ü`);
    expect(
      found !== undefined && Buffer.compare(found.body, body) === 0,
      `${what}: body ${index}, byte for byte`,
    );
    const { key, attributes } = found;
    expectSame(
      [
        attributes['subject'],
        attributes['time'],
        attributes['correlationid'],
        attributes['causationid'],
        attributes['tenant'],
        attributes['empty'],
        attributes['partitionkey'],
        key,
        attributes['specversion'],
        attributes['datacontenttype'],
      ],
      [
        full.subject,
        full.time,
        'c-1',
        'c-0',
        'ünï',
        'x y',
        'kéy 🎉',
        'kéy 🎉',
        '1.0',
        'application/octet-stream',
      ],
      `${what}: the attributes of document ${index}`,
    );
  }
}

export const correlation: Case = {
  name: 'envelope.correlation',
  promises: 'What a handler publishes says which document caused it.',
  causes:
    'Extension attributes are lost: look at the prefix of the binding, and at what the broker allows in headers.',
  rules: ['C9'],
  needs: ['event', 'data'],
  async run(context: CaseContext) {
    const [first, second] = [context.topic(), context.topic()];
    const got: Delivery[] = [];
    await context.consume('event', first, 'work', {
      handler: async (document, delivery) =>
        void (await delivery.publish(topicOf(second), { ...document, run: 'caused' })),
    });
    const handle = await context.bus.events.subscribe(
      topicOf(second),
      'work',
      (_, delivery) => void got.push(delivery),
    );
    context.removeLater('event', second, 'work');
    context.closeLater(handle);
    const [receipt] = await context.publish('event', first, spread(1, 1));
    await context.until('the caused document has come', () => got.length > 0);
    expectSame(
      [got[0]?.attributes['causationid'], got[0]?.attributes['correlationid']],
      [receipt?.id, receipt?.id],
      'causation and correlation of what a handler publishes',
    );
  },
};

export const cases: readonly Case[] = [
  publishMany('event'),
  publishMany('data'),
  size,
  waits,
  republish,
  envelope('event'),
  envelope('data'),
  correlation,
];
