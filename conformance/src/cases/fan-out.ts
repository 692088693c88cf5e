import type { Case } from '../case.ts';
import type { CaseContext } from '../context.ts';
import type { Consumer } from '../consumer.ts';
import { expect, expectDocuments, expectSame, numbers, sorted } from '../expect.ts';
import { Patience } from '../patience.ts';

const handledBy = (...consumers: readonly Consumer[]): number[] =>
  sorted([
    ...new Set(
      consumers.flatMap(({ deliveries }) =>
        deliveries.filter(({ type, n }) => type === 'ok' && n < 1_000_000).map(({ n }) => n),
      ),
    ),
  ]);

export const fanOut: Case = {
  name: 'fan-out',
  promises: 'Every subscription that exists when a document is published gets it.',
  causes:
    '`publish` uses a list of subscriptions that is older than the call, or `ensureSubscription` resolves before its queue takes part.',
  rules: ['E1', 'E9'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const names = ['billing', 'mail', 'search'];
    const consumers = await Promise.all(names.map((name) => context.consume('event', topic, name)));
    await context.publish('event', topic, numbers(1, 30));
    for (const [index, name] of names.entries()) {
      await context.drain('event', topic, name);
      expectDocuments(
        handledBy(consumers[index] as Consumer),
        numbers(1, 30),
        `what subscription ${name} handled`,
      );
    }
  },
};

export const topicsApart: Case = {
  name: 'topics-apart',
  promises: 'Topics do not mix; an event topic and a data topic of one name are two topics.',
  causes:
    'Names at the broker leave out the topic or the kind of bus, or two names become one by cutting or replacing characters.',
  rules: ['E1', 'C1'],
  needs: ['event', 'data'],
  async run(context) {
    const [one, two] = [context.topic(), context.topic()];
    const first = await context.consume('event', one, 'same');
    const second = await context.consume('event', two, 'same');
    const logged = await context.consume('data', one, 'same', { options: { from: 'latest' } });
    await context.publish('event', one, numbers(1, 10));
    await context.publish('event', two, numbers(101, 10));
    await context.publish('data', one, numbers(201, 10));
    await context.drain('event', one, 'same');
    await context.drain('event', two, 'same');
    await context.drain('data', one, 'same');
    expectDocuments(handledBy(first), numbers(1, 10), 'what the first event topic delivered');
    expectDocuments(handledBy(second), numbers(101, 10), 'what the second event topic delivered');
    expectDocuments(
      handledBy(logged),
      numbers(201, 10),
      'what the data topic of the same name delivered',
    );
  },
};

export const competing: Case = {
  name: 'competing-consumers',
  promises:
    'Inside a subscription each document goes to one running consumer, and all of them get work.',
  causes:
    'A record is not leased when it is handed out, or a member takes more than its `credit` and starves the others.',
  rules: ['E2'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const consumers: Consumer[] = [];
    for (const member of [context.here, await context.mortal(), await context.mortal()]) {
      consumers.push(
        await context.consume('event', topic, 'workers', {
          member,
          script: { delayMs: 5 },
          options: { concurrency: 2, prefetch: 4 },
        }),
      );
    }
    const idle = (): readonly Consumer[] =>
      consumers.filter(({ deliveries }) => deliveries.length === 0);
    const patience = new Patience(30_000 * context.slow, context.clock);
    let published = 0;
    // A consumer that has just joined may get its share later than one round of work takes.
    do {
      const more = published === 0 ? 120 : 12;
      await context.publish('event', topic, numbers(published + 1, more));
      published += more;
      await context.drain('event', topic, 'workers');
    } while (idle().length > 0 && patience.leftMs > 0);
    for (const { id } of idle()) expect(false, `consumer ${id} gets a part of the work`);
    expectDocuments(
      handledBy(...consumers),
      numbers(1, published),
      'what the consumers handled together',
    );
    const count = consumers.reduce((sum, { deliveries }) => sum + deliveries.length, 0);
    expectSame(count, published, 'deliveries in all, with three healthy consumers');
  },
};

export const noHistory: Case = {
  name: 'no-history',
  promises: 'A new subscription gets what is published after it was created, and nothing older.',
  causes:
    'The queue of a new subscription begins at the start of a shared log, or `ensureSubscription` resolves before it collects.',
  rules: ['E3'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    await context.consume('event', topic, 'old');
    await context.publish('event', topic, numbers(1, 10));
    const late = await context.consume('event', topic, 'late');
    await context.publish('event', topic, numbers(11, 10));
    await context.sentinel('event', topic, [late]);
    await context.drain('event', topic, 'late');
    expectDocuments(handledBy(late), numbers(11, 10), 'what a new subscription gets');
  },
};

export const oneCreates: Case = {
  name: 'subscribe.adds-a-consumer',
  promises: 'Subscribing again adds a consumer and changes nothing that the subscription holds.',
  causes:
    "`ensureSubscription` creates anew what exists, or fails in one of two racing calls instead of answering 'existed'.",
  rules: ['E3', 'E2'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const [a, b] = await Promise.all([
      context.consume('event', topic, 'same'),
      context.consume('event', topic, 'same', { member: await context.member() }),
    ]);
    await context.publish('event', topic, numbers(1, 20));
    await context.drain('event', topic, 'same');
    await Promise.all([a.close(), b.close()]);
    await context.publish('event', topic, numbers(21, 20));
    const third = await context.consume('event', topic, 'same');
    expect(third.handle.resumed, 'a subscription that existed says resumed');
    await context.drain('event', topic, 'same');
    expectDocuments(handledBy(a, b), numbers(1, 20), 'what the two creators handled');
    expectDocuments(handledBy(third), numbers(21, 20), 'what was kept for the third consumer');
  },
};

export const durable: Case = {
  name: 'durable-while-away',
  promises: 'A subscription keeps collecting while no consumer runs.',
  causes:
    'The queue belongs to a connection or a member (exclusive, auto-delete), or closing the last member removes it.',
  rules: ['E4', 'E11'],
  needs: ['event'],
  async run(context: CaseContext) {
    const topic = context.topic();
    const first = await context.consume('event', topic, 'away', { member: await context.member() });
    await first.close();
    await context.publish('event', topic, numbers(1, 20));
    await context.until(
      'the subscription has collected all',
      async () => (await context.depth(topic, 'away')).ready === 20,
    );
    const second = await context.consume('event', topic, 'away', {
      member: await context.member(),
    });
    await context.drain('event', topic, 'away');
    expectDocuments(handledBy(second), numbers(1, 20), 'what had been collected meanwhile');
    expectSame(first.deliveries.length, 0, 'deliveries to the consumer that was closed');
  },
};

export const neglected: Case = {
  name: 'neglected',
  promises:
    'A subscription that nobody consumes is reported as neglected, where consumers can be counted.',
  causes:
    '`inspect` counts consumers that have gone or those of the dead letters, or `countsConsumers` is declared and it cannot tell.',
  rules: ['E9'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const member = await context.member({ neglectedAfterMs: 400 });
    const first = await context.consume('event', topic, 'left', { member });
    await context.consume('event', topic, 'tended', { member });
    const reported = async (): Promise<readonly string[]> => {
      const health = await member.bus.health();
      expect(health.ok, 'what others neglect does not make this process unhealthy');
      return health.neglected.map(({ topic: of, name }) => `${of} ${name}`);
    };
    await first.close();
    if (!context.bus.events.capabilities.countsConsumers) {
      expectSame(await reported(), [], 'neglected subscriptions, where consumers are not counted');
      return;
    }
    // One that is being made has no consumer for a moment.
    await context.until(
      'the subscription without a consumer is reported, and no other',
      async () => {
        const names = await reported();
        return names.length === 1 && names[0] === `${topic.name} left`;
      },
    );
    await context.consume('event', topic, 'left', { member });
    await context.until(
      'the subscription is not reported any more',
      async () => (await reported()).length === 0,
    );
  },
};

export const independence: Case = {
  name: 'independence',
  promises: 'A slow, failing, blocked or deleted subscription changes nothing for the others.',
  causes:
    'Subscriptions share a prefetch, a poll or a buffer that one of them fills, or removing one removes what others still hold.',
  rules: ['E9'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const blocked = await context.consume('event', topic, 'blocked', {
      script: { hang: numbers(1, 40) },
      options: { concurrency: 2, prefetch: 2, graceMs: 100 },
    });
    await context.consume('event', topic, 'failing', {
      script: { fail: Object.fromEntries(numbers(1, 40).map((n) => [n, 99])) },
      options: { maxAttempts: 2, brakeAfter: 5, brakeMs: 500 },
    });
    await context.consume('event', topic, 'deleted');
    const healthy = await context.consume('event', topic, 'healthy');
    await context.publish('event', topic, numbers(1, 20));
    await context.remove('event', topic, 'deleted');
    await context.publish('event', topic, numbers(21, 20));
    await context.drain('event', topic, 'healthy');
    expectDocuments(handledBy(healthy), numbers(1, 40), 'what the healthy subscription handled');
    expectSame(healthy.deliveries.length, 40, 'its deliveries');
    const { total } = await context.depth(topic, 'blocked');
    // Two are with its handlers.
    const held = context.bus.events.capabilities.countsLeased ? 40 : 38;
    expectSame(total, held, 'what the blocked subscription still holds');
    await blocked.close();
  },
};

export const cases: readonly Case[] = [
  fanOut,
  topicsApart,
  competing,
  noHistory,
  oneCreates,
  durable,
  neglected,
  independence,
];
