import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { testUrl } from '@duobus/brokers';
import { BusError } from '@duobus/core/driver';
import type {
  Leased,
  OutboundRecord,
  QueueDriver,
  QueueEvent,
  QueueMember,
  StoredTopic,
  WantedTopic,
} from '@duobus/core/driver';
import { rabbitmq, type RabbitmqNative, type RabbitmqOptions } from '../../src/index.ts';

export type TestDriver = QueueDriver<RabbitmqNative> & AsyncDisposable;

/** Everything in these tests is over long before. */
export const soon = (ms = 20_000): AbortSignal => AbortSignal.timeout(ms);

export async function openDriver(options: RabbitmqOptions = {}): Promise<TestDriver> {
  const given = options.url === undefined && options.connect === undefined;
  const url = given ? await testUrl('rabbitmq') : options.url;
  const { queue } = rabbitmq(url === undefined ? options : { ...options, url });
  if (queue === undefined) throw new Error('the adapter has no queue half');
  await queue.open(soon());
  return Object.assign(queue, { [Symbol.asyncDispose]: () => queue.close() }) as TestDriver;
}

export function wantedTopic(order: 'none' | 'key' = 'none', partitions = 1): WantedTopic {
  return {
    v: 1,
    kind: 'event',
    name: `test-${randomUUID()}`,
    order,
    partitions,
    retention: { maxAgeMs: null, maxBytes: null },
    compacted: false,
    incarnation: randomUUID(),
  };
}

export function record(
  id: string,
  headers: Record<string, string> = {},
  body = `"${id}"`,
): OutboundRecord {
  return {
    key: undefined,
    headers: {
      'cloudEvents:specversion': '1.0',
      'cloudEvents:id': id,
      'cloudEvents:source': '/test',
      'cloudEvents:type': 'test',
      'content-type': 'application/json',
      ...headers,
    },
    body: Buffer.from(body),
  };
}

export const records = (...ids: string[]): OutboundRecord[] => ids.map((id) => record(id));
export const idOf = ({ headers }: Leased): string => String(headers['cloudEvents:id']);

/** As core does it: opened and tried again while the error says so, as for a moment after a restart. */
export async function patiently<T>(
  driver: Pick<QueueDriver, 'open'>,
  run: () => Promise<T>,
): Promise<T> {
  const signal = soon(60_000);
  for (;;) {
    try {
      await driver.open(signal);
      return await run();
    } catch (error) {
      if (!BusError.is(error) || !error.retryable || signal.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** A topic with one subscription, both removed at the end. */
export async function subscription(
  driver: QueueDriver,
  order: 'none' | 'key' = 'none',
  partitions = 1,
): Promise<{ readonly topic: StoredTopic; readonly name: string } & AsyncDisposable> {
  const topic = await driver.ensureTopic(wantedTopic(order, partitions), 'create', soon());
  await driver.ensureSubscription(topic, 'sub', 'create', soon());
  return {
    topic,
    name: 'sub',
    [Symbol.asyncDispose]: () =>
      patiently(driver, () => driver.removeSubscription(topic, 'sub', soon())),
  };
}

export async function publish(
  driver: QueueDriver,
  topic: StoredTopic,
  partition: number,
  ...ids: string[]
): Promise<void> {
  for (const outcome of await driver.publish(topic, partition, records(...ids), soon())) {
    if (outcome.status !== 'stored') throw outcome.error;
  }
}

/** Collects what a member is handed. */
export class Reader {
  readonly member: QueueMember;
  readonly events: QueueEvent[] = [];

  constructor(member: QueueMember) {
    this.member = member;
  }

  get leased(): readonly Leased[] {
    return this.events.flatMap((event) => (event.type === 'records' ? event.records : []));
  }

  get ids(): readonly string[] {
    return this.leased.map(idOf);
  }

  partitions(type: 'assigned' | 'revoking'): readonly number[] {
    return this.events.flatMap((event) => (event.type === type ? [event.partition] : []));
  }

  async until(condition: (reader: Reader) => boolean, ms = 20_000): Promise<this> {
    const signal = soon(ms);
    try {
      while (!condition(this)) this.events.push(...(await this.member.receive(signal)));
    } catch (cause) {
      const seen = this.events.map((event) =>
        event.type === 'records' ? event.records.map(idOf).join() : event.type,
      );
      throw new Error(`in vain after: ${seen.join(' ')}`, { cause });
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

  done(...leased: readonly Leased[]): Promise<readonly ('settled' | 'lost')[]> {
    return this.member.settle(leased.map(({ token }) => ({ token, verdict: 'done' })));
  }
}

export async function consume(
  driver: QueueDriver,
  topic: StoredTopic,
  source: 'main' | 'dead' = 'main',
  credit = 100,
): Promise<Reader> {
  return new Reader(await driver.consume(topic, 'sub', source, credit, soon()));
}

/** Polls until the condition holds. */
export async function eventually<T>(
  read: () => Promise<T>,
  condition: (value: T) => boolean,
  ms = 15_000,
): Promise<T> {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await read();
    if (condition(value)) return value;
    if (Date.now() > deadline) throw new Error(`not in time: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const nothing = {
  ready: 0,
  leased: undefined,
  delayed: 0,
  dead: 0,
  oldestMs: undefined,
  consumers: 0,
};

/** The broker counts what is acknowledged and who has gone a moment later. */
export async function untilEmpty(driver: QueueDriver, topic: StoredTopic): Promise<void> {
  await eventually(
    () => driver.inspect(topic, 'sub', soon()),
    (counts) => isDeepStrictEqual(counts, nothing),
  );
}
