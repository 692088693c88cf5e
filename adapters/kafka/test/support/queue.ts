import { testUrl } from '@duobus/brokers';
import type {
  Leased,
  OutboundRecord,
  QueueDriver,
  QueueEvent,
  QueueMember,
  Settlement,
  StoredTopic,
  SubscriptionCounts,
} from '@duobus/core/driver';
import kafkajs, { type Admin } from 'kafkajs';
import { Carrier } from '../../src/carrier.ts';
import { evict } from '../../src/group-eviction.ts';
import { createAdapter } from '../../src/index.ts';
import { type KafkaOptions, optionsOfUrl, settingsOf } from '../../src/options.ts';
import { eventually, quick, soon, wantedTopic } from './driver.ts';

export type TestDriver = QueueDriver & AsyncDisposable;

export async function openQueue(
  options: Partial<KafkaOptions> = {},
  url: string = testUrl('kafka'),
): Promise<TestDriver> {
  const { queue } = createAdapter({ url, options: { ...quick, ...options } });
  const driver = queue as QueueDriver;
  await driver.open(soon());
  return Object.assign(driver, { [Symbol.asyncDispose]: () => driver.close() });
}

export async function makeEventTopic(
  driver: QueueDriver,
  order: 'none' | 'key' = 'none',
  partitions = 2,
): Promise<StoredTopic> {
  const retention = { maxAgeMs: null, maxBytes: null };
  const wanted = wantedTopic({ kind: 'event', order, partitions, retention });
  return await driver.ensureTopic(wanted, 'create', soon(60_000));
}

/** A topic with the subscription 'sub'. */
export async function subscribed(
  driver: QueueDriver,
  order: 'none' | 'key' = 'none',
  partitions = 2,
): Promise<StoredTopic> {
  const topic = await makeEventTopic(driver, order, partitions);
  await driver.ensureSubscription(topic, 'sub', 'create', soon(60_000));
  return topic;
}

export const record = (id: string): OutboundRecord => ({
  key: undefined,
  headers: { ce_id: id, ce_source: '/t', ce_specversion: '1.0', ce_type: 't' },
  body: Buffer.from(`"${id}"`),
});

export async function publish(
  driver: QueueDriver,
  topic: StoredTopic,
  partition: number,
  ...ids: string[]
): Promise<void> {
  for (const outcome of await driver.publish(topic, partition, ids.map(record), soon()))
    if (outcome.status !== 'stored') throw outcome.error;
}

export const range = (count: number, prefix = 'id-'): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

export const idOf = ({ headers }: Leased): string =>
  Buffer.from(headers['ce_id'] as Uint8Array).toString();

/** Collects what a member is handed, and gives partitions up when it is asked to. */
export class QueueReader {
  readonly member: QueueMember;
  readonly events: QueueEvent[] = [];
  /** What is asked back is kept. */
  stubborn = false;

  constructor(member: QueueMember) {
    this.member = member;
  }

  static async open(
    driver: QueueDriver,
    topic: StoredTopic,
    source: 'main' | 'dead' = 'main',
    credit = 100,
  ): Promise<QueueReader> {
    return new QueueReader(await driver.consume(topic, 'sub', source, credit, soon()));
  }

  get leased(): readonly Leased[] {
    return this.events.flatMap((event) => (event.type === 'records' ? event.records : []));
  }

  get ids(): readonly string[] {
    return this.leased.map(idOf);
  }

  has(type: QueueEvent['type']): boolean {
    return this.events.some((event) => event.type === type);
  }

  get owned(): ReadonlySet<number> {
    const owned = new Set<number>();
    for (const event of this.events) {
      if (event.type === 'assigned') owned.add(event.partition);
      if (event.type === 'revoked' || event.type === 'revoking') owned.delete(event.partition);
    }
    return owned;
  }

  async until(condition: (reader: QueueReader) => boolean, ms = 20_000): Promise<this> {
    const signal = soon(ms);
    while (!condition(this)) {
      const events = await this.member.receive(signal);
      this.events.push(...events);
      for (const event of events)
        if (event.type === 'revoking' && !this.stubborn) await this.member.release(event.partition);
    }
    return this;
  }

  async take(count: number): Promise<readonly Leased[]> {
    await this.until(({ leased }) => leased.length >= count);
    return this.leased;
  }

  /** The record with this id that was handed out last. */
  find(id: string): Leased {
    const found = this.leased.findLast((leased) => idOf(leased) === id);
    if (found === undefined) throw new Error(`${id} was not handed out, but ${this.ids.join()}`);
    return found;
  }

  async settle(
    verdict: Settlement['verdict'],
    leased: readonly Leased[],
    more: { readonly state?: string; readonly delayMs?: number } = {},
  ): Promise<readonly ('settled' | 'lost')[]> {
    const { state = '', delayMs = 0 } = more;
    return await this.member.settle(
      leased.map(({ token }) => ({ token, verdict, state, delayMs }) as Settlement),
    );
  }

  done(...leased: readonly Leased[]): Promise<readonly ('settled' | 'lost')[]> {
    return this.settle('done', leased);
  }

  async close(): Promise<void> {
    await this.member.close();
  }
}

/** One pass over the dead letters. */
export async function listDead(driver: QueueDriver, topic: StoredTopic): Promise<QueueReader> {
  const reader = await QueueReader.open(driver, topic, 'dead', 65_535);
  return await reader.until((one) => one.has('idle'));
}

export async function untilCounts(
  driver: QueueDriver,
  topic: StoredTopic,
  wanted: Partial<SubscriptionCounts>,
): Promise<void> {
  await eventually(
    () => driver.inspect(topic, 'sub', soon()),
    (counts) => Object.entries(wanted).every(([name, value]) => counts[name as 'ready'] === value),
  );
}

/** kafkajs by itself: what the broker says without this adapter. */
export async function withAdmin<T>(
  use: (admin: Admin) => Promise<T>,
  url = testUrl('kafka'),
): Promise<T> {
  const kafka = new kafkajs.Kafka({
    brokers: [...optionsOfUrl(url).brokers],
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Records that Kafka holds for an event topic: in it, and in what its subscriptions have of their own. */
export async function heldByKafka(topic: string, url?: string): Promise<number> {
  return await withAdmin(async (admin) => {
    const names = (await admin.listTopics()).filter(
      (name) =>
        name === `__duobus.event.${topic}` || name.startsWith(`__duobus.subscription.${topic}.`),
    );
    let held = 0;
    for (const name of names) {
      const own = name.startsWith('__duobus.subscription.');
      for (const { partition, low, high } of await admin.fetchTopicOffsets(name))
        if (!own || partition < 2) held += Number(high) - Number(low);
    }
    return held;
  }, url);
}

/** Waits until its subscriptions have so many Kafka topics: the controller answers before brokers list what it has done. */
export async function untilOwnTopics({ name }: StoredTopic, count: number): Promise<void> {
  await eventually(
    () => withAdmin((admin) => admin.listTopics()),
    (names) => names.filter((one) => one.includes(`subscription.${name}.`)).length === count,
  );
}

/** Ids of the Kafka groups of an event topic's subscriptions. */
export async function groupsOf(topic: Pick<StoredTopic, 'name'>): Promise<readonly string[]> {
  const { groups } = await withAdmin((admin) => admin.listGroups());
  return groups.map(({ groupId }) => groupId).filter((id) => id.includes(`:${topic.name}:`));
}

/** Puts all members out of the subscription's group, as if their processes had been silent for too long. */
export async function evictAll(topic: StoredTopic): Promise<void> {
  const carrier = new Carrier(settingsOf(optionsOfUrl(testUrl('kafka'))));
  try {
    for (const id of await groupsOf(topic)) await evict(carrier, id, () => true, soon());
  } finally {
    carrier.close();
  }
}
