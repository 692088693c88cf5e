import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { testUrl } from '@duobus/brokers';
import { type Bus, type BusOptions, connect, topic, type Topic } from '@duobus/core';
import { actionsOf } from './support/iam.ts';
import { keep, kept, updating } from './support/kept.ts';
import { Proxy } from './support/proxy.ts';
import { endpoint, newConnection, soon } from './support/queue-connection.ts';
import { eventually } from './support/queues.ts';

interface Doc {
  readonly n: number;
}

interface Topics {
  readonly plain: Topic<Doc>;
  readonly ordered: Topic<Doc>;
  readonly data: Topic<Doc>;
}

const key = ({ n }: Doc): string => `k${n}`;

function newTopics(): Topics {
  const id = randomUUID();
  return {
    plain: topic<Doc>(`plain-${id}`),
    ordered: topic<Doc>(`ordered-${id}`, { order: 'key', key }),
    data: topic<Doc>(`data-${id}`, { key }),
  };
}

/** What a role asks for, through the public API alone. */
async function actionsIn(
  options: Pick<BusOptions, 'topology'>,
  role: (bus: Bus, proxy: Proxy) => Promise<void>,
): Promise<readonly string[]> {
  await using proxy = await Proxy.to(endpoint());
  const bus = await connect(
    {
      url: testUrl('sns-sqs'),
      options: { endpoint: proxy.url, pollMs: 1_000, visibilityMs: 2_000, leaseMs: 8_000 },
    },
    { source: '/test', settleIntervalMs: 10, ...options },
  );
  try {
    await role(bus, proxy);
  } finally {
    await bus.close();
  }
  return union(proxy.seen.flatMap(actionsOf));
}

/** Somebody else makes the same topic at the same time. */
function loseOnce(proxy: Proxy): void {
  proxy.fault = ({ call, path }) => {
    if (call !== 'PutObject' || !path.includes('topics/event')) return undefined;
    proxy.fault = () => undefined;
    return { answer: 412, code: 'PreconditionFailed' };
  };
}

async function create({ events, data }: Bus, proxy: Proxy, topics: Topics): Promise<void> {
  loseOnce(proxy);
  await events.topics.ensure(topics.plain);
  loseOnce(proxy);
  const plain = await events.subscribe(topics.plain, 'a', () => undefined);
  const ordered = await events.subscribe(topics.ordered, 'a', () => undefined);
  const group = await data.subscribe(topics.data, 'a', () => undefined, { from: 'earliest' });
  for (const handle of [plain, ordered, group]) await handle.close();
  await events.topics.alter(topics.ordered, { partitions: 5 });
  await data.topics.alter(topics.data, { partitions: 5, retention: { maxAgeMs: 86_400_000 } });
}

async function remove({ events, data }: Bus, topics: Topics): Promise<void> {
  await events.unsubscribe(topics.plain, 'a', { discard: true });
  await events.unsubscribe(topics.ordered, 'a', { discard: true });
  await data.remove(topics.data, 'a', { discard: true });
}

async function publish({ events, data }: Bus, topics: Topics): Promise<void> {
  for (const n of [1, 2, 3]) {
    await events.publish(topics.plain, { n });
    await events.publish(topics.ordered, { n });
    await data.publish(topics.data, { n });
  }
  for (const [bus, to] of [
    [events, topics.plain],
    [events, topics.ordered],
    [data, topics.data],
  ] as const)
    for (const result of await bus.publishMany(to, [{ n: 4 }, { n: 5 }]))
      assert.equal(result.status, 'fulfilled');
}

/** Fails, retries, gives up, is redriven, and is handled in the end. */
async function consume(bus: Bus, proxy: Proxy, topics: Topics): Promise<void> {
  await Promise.all(
    (['plain', 'ordered', 'data'] as const).map((one) => consumeOne(bus, proxy, topics, one)),
  );
  assert.ok((await bus.health()).connected);
}

async function consumeOne(
  { events, data }: Bus,
  proxy: Proxy,
  topics: Topics,
  one: keyof Topics,
): Promise<void> {
  const to = topics[one];
  const on = one === 'data' ? data : events;
  let isMended = false;
  const handled = new Set<number>();
  const options = { maxAttempts: 2, backoff: { firstMs: 1, maxMs: 1 } };
  const handler = async ({ n }: Doc): Promise<void> => {
    if (n === 1 && !isMended) throw new Error('not yet');
    // until it has been kept from others
    if (n === 2 && !isMended && one !== 'data')
      await eventually(
        async () => proxy.count('ChangeMessageVisibilityBatch'),
        (count) => count > 0,
      );
    handled.add(n);
  };
  const handle = await on.subscribe(to, 'a', handler, options);
  const letters = on.deadLetters(to, 'a');
  await eventually(
    async () => handle.stats(),
    ({ deadLettered, settled }) => deadLettered === 1 && settled >= 5,
  );
  isMended = true;
  for await (const { reason } of letters) assert.equal(reason, 'attempts');
  assert.equal(await letters.redrive(), 1);
  await eventually(
    async () => handled.has(1),
    (done) => done,
  );
  if (one === 'data') {
    await data.reset(to, 'a', 'earliest');
    assert.equal(typeof (await data.lag(to, 'a')).records, 'number');
    for await (const entry of data.read(to, { limit: 1 })) assert.ok(entry.document);
  } else assert.equal((await events.depth(to, 'a')).dead, 0);
  await handle.close();
}

/** Half an hour after records are out of reach, whoever publishes removes them. */
const later = ['s3:DeleteObject'];

const union = (...actions: readonly (readonly string[])[]): readonly string[] =>
  [...new Set(actions.flat())].toSorted();

describe('what AWS has to allow', () => {
  it('is what the documentation says, to the letter', async () => {
    const ready = newConnection();
    await ready.open(soon());
    await ready.close();
    const topics = newTopics();
    const created = await actionsIn({ topology: 'create' }, (bus, proxy) =>
      create(bus, proxy, topics),
    );
    const published = await actionsIn({ topology: 'check' }, (bus) => publish(bus, topics));
    const consumed = await actionsIn({ topology: 'check' }, (bus, proxy) =>
      consume(bus, proxy, topics),
    );
    const removed = await actionsIn({ topology: 'create' }, (bus) => remove(bus, topics));
    const found = {
      // whoever subscribes to make a subscription also consumes from it
      create: union(created, removed, consumed),
      publish: union(published, later),
      consume: consumed,
    };
    if (updating) keep('permissions/sns-sqs.json', found);
    assert.deepEqual(found, kept('permissions/sns-sqs.json'));
  });
});
