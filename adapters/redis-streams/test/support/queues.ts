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
import { soon } from './connection.ts';
import type { Client } from '../../src/client.ts';
import { createAdapter, type RedisNative, type RedisStreamsOptions } from '../../src/index.ts';
import { nodesOf } from '../../src/link.ts';

export type TestDriver = QueueDriver<RedisNative> & AsyncDisposable;

export async function openDriver(
  options: RedisStreamsOptions = {},
  url: string = testUrl('redis'),
): Promise<TestDriver> {
  const { queue } = createAdapter({ url, options: { ...options } });
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
    headers: { id, ...headers },
    body: Buffer.from(body),
  };
}

export const records = (...ids: string[]): OutboundRecord[] => ids.map((id) => record(id));
export const idOf = ({ headers }: Leased): string => String(headers['id']);

const opening = new WeakMap<QueueDriver, Promise<void>>();

/** As core does it: one call at a time. */
function open(driver: QueueDriver): Promise<void> {
  const known = opening.get(driver);
  if (known !== undefined) return known;
  const made = driver.open(soon(60_000)).finally(() => opening.delete(driver));
  opening.set(driver, made);
  return made;
}

/** As core does it: opened and tried again while the error says so, as for a moment after a restart. */
export async function patiently<T>(driver: QueueDriver, run: () => Promise<T>): Promise<T> {
  const signal = soon(60_000);
  for (;;) {
    try {
      await open(driver);
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
    while (!condition(this)) this.events.push(...(await this.member.receive(signal)));
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
  leased: 0,
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

/** The client the driver itself uses. */
export function client(driver: TestDriver): Client {
  const { commands } = driver.native;
  if (commands === undefined) throw new Error('not connected');
  return commands;
}

/** All keys of a topic but what the server remembers of publishers: that goes by itself. */
export async function keysOf(driver: TestDriver, { name }: StoredTopic): Promise<string[]> {
  const found = nodesOf(client(driver)).map((node) => node.keys(`{duobus:e:${name}}:*`));
  const keys = (await Promise.all(found)).flat();
  const start = `{duobus:e:${name}}:`.length;
  return keys
    .map((key) => key.slice(start))
    .filter((key) => !key.startsWith('pub:'))
    .toSorted();
}

/** As if the process had died: nobody says farewell, and nothing is settled any more. */
export function die(driver: TestDriver): void {
  driver.native.commands?.disconnect();
}

/** Everything an earlier lease needs to be over. */
export async function untilGone(driver: TestDriver, topic: StoredTopic): Promise<void> {
  await eventually(
    () => driver.inspect(topic, 'sub', soon()),
    ({ consumers }) => consumers === 0,
  );
}
