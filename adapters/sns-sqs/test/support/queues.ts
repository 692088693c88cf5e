import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type {
  Leased,
  OutboundRecord,
  QueueEvent,
  QueueMember,
  StoredTopic,
  WantedTopic,
} from '@duobus/core/driver';
import { SnsSqsQueueDriver } from '../../src/queue-driver.ts';
import type { AwsNative, Connection } from '../../src/connection.ts';
import type { SnsSqsOptions } from '../../src/options.ts';
import { newConnection, soon } from './queue-connection.ts';

export interface TestDriver extends AsyncDisposable {
  readonly driver: SnsSqsQueueDriver;
  readonly connection: Connection;
  readonly native: AwsNative;
}

export async function openDriver(options: SnsSqsOptions = {}): Promise<TestDriver> {
  const connection = newConnection(options);
  const { native } = connection;
  const driver = new SnsSqsQueueDriver(connection, native);
  await driver.open(soon());
  return { connection, native, driver, [Symbol.asyncDispose]: () => driver.close() };
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

export function record(id: string, key?: string, body: string = `"${id}"`): OutboundRecord {
  return { key, headers: { 'content-type': 'application/json', id }, body: Buffer.from(body) };
}

export const records = (...ids: string[]): OutboundRecord[] => ids.map((id) => record(id));
export const idOf = ({ headers }: Leased): string => String(headers['id']);
export const range = (count: number, from = 0): number[] =>
  Array.from({ length: count }, (_, at) => from + at);

/** A topic with one subscription, removed at the end. */
export async function subscription(
  { driver }: TestDriver,
  order: 'none' | 'key' = 'none',
  partitions = 1,
): Promise<{ readonly topic: StoredTopic; readonly name: string } & AsyncDisposable> {
  const topic = await driver.ensureTopic(wantedTopic(order, partitions), 'create', soon());
  await driver.ensureSubscription(topic, 'sub', 'create', soon());
  return {
    topic,
    name: 'sub',
    [Symbol.asyncDispose]: () => driver.removeSubscription(topic, 'sub', soon()),
  };
}

export async function publish(
  { driver }: TestDriver,
  topic: StoredTopic,
  partition: number,
  given: readonly OutboundRecord[],
): Promise<void> {
  for (const outcome of await driver.publish(topic, partition, given, soon()))
    if (outcome.status !== 'stored') throw outcome.error;
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

  get assigned(): readonly number[] {
    return this.events.flatMap((event) => (event.type === 'assigned' ? [event.partition] : []));
  }

  async until(condition: (reader: Reader) => boolean, ms = 20_000): Promise<this> {
    const signal = soon(ms);
    while (!condition(this)) {
      const events = await this.member.receive(signal).catch((cause: unknown) => {
        const seen = this.events.map(({ type }) => type).join() || 'nothing';
        throw new Error(`waited for ${String(condition)} in vain: there was ${seen}`, { cause });
      });
      this.events.push(...events);
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

  /** Settles everything as it comes, until so many have been. */
  async drain(count: number, ms = 30_000): Promise<readonly Leased[]> {
    const signal = soon(ms);
    for (let from = 0; from < count; ) {
      this.events.push(...(await this.member.receive(signal)));
      const fresh = this.leased.slice(from);
      from += fresh.length;
      await this.done(...fresh);
    }
    return this.leased;
  }
}

export async function consume(
  { driver }: TestDriver,
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
  consumers: undefined,
};

export async function untilEmpty({ driver }: TestDriver, topic: StoredTopic): Promise<void> {
  await eventually(
    () => driver.inspect(topic, 'sub', soon()),
    (counts) => isDeepStrictEqual(counts, nothing),
  );
}

/** Keys of all objects that an incarnation has. */
export async function objectsOf(
  { connection }: TestDriver,
  { incarnation }: StoredTopic,
): Promise<readonly string[]> {
  const prefix = `${connection.settings.root}events/${incarnation}/`;
  const { objects } = await connection.store.list(prefix, {}, soon());
  return objects.map(({ key }) => key.slice(prefix.length));
}
