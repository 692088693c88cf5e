import { randomUUID } from 'node:crypto';
import { testUrl } from '@duobus/brokers';
import type {
  LogDriver,
  LogEvent,
  LogMember,
  LogRecord,
  OutboundRecord,
  Outcome,
  Place,
  StoredTopic,
} from '@duobus/core/driver';
import { createAdapter, type RedisNative, type RedisStreamsOptions } from '../../src/index.ts';
import { soon } from './connection.ts';

export type Log = LogDriver<RedisNative> & AsyncDisposable;

/** The data bus half, connected to the server the tests are given, or to another. */
export async function openLog(
  options: RedisStreamsOptions = {},
  url: string = testUrl('redis'),
): Promise<Log> {
  const { log } = createAdapter({ url, options: { ...options } });
  if (log === undefined) throw new Error('the adapter has no log half');
  await log.open(soon());
  return Object.assign(log as LogDriver<RedisNative>, { [Symbol.asyncDispose]: () => log.close() });
}

export function wantedTopic(over: Partial<StoredTopic> = {}): StoredTopic {
  return {
    v: 1,
    kind: 'data',
    name: `test-${randomUUID()}`,
    order: 'key',
    partitions: 1,
    retention: { maxAgeMs: null, maxBytes: null },
    compacted: false,
    incarnation: randomUUID(),
    ...over,
  };
}

export async function makeTopic(
  driver: LogDriver,
  over: Partial<StoredTopic> = {},
): Promise<StoredTopic> {
  return await driver.ensureTopic(wantedTopic(over), 'create', soon());
}

export function record(text: string, key?: string): OutboundRecord {
  return {
    key: key ?? `key-${text}`,
    headers: { 'content-type': 'application/cloudevents+json' },
    body: Buffer.from(text),
  };
}

export const records = (texts: readonly string[]): OutboundRecord[] =>
  texts.map((text) => record(text));

export const numbered = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => String(from + index));

export const textOf = ({ body }: Pick<LogRecord, 'body'>): string =>
  Buffer.from(body ?? []).toString();

export const at = (offset: number, time = 0): Place => ({ offset, time });

export const statuses = (outcomes: readonly Outcome[]): string[] => [
  ...new Set(outcomes.map(({ status }) => status)),
];

export async function readAll(
  driver: LogDriver,
  topic: StoredTopic,
  partition = 0,
  from?: Place,
): Promise<LogRecord[]> {
  const bounds = (await driver.bounds(topic, soon()))[partition];
  const all: LogRecord[] = [];
  for (let place = from ?? bounds?.first ?? at(0); ; ) {
    const limits = { maxBytes: 1_000_000, maxWaitMs: 0 };
    const result = await driver.read(topic, partition, place, limits, soon());
    all.push(...result.records);
    if (result.atEnd) return all;
    place = result.next;
  }
}

export const textsOf = async (
  driver: LogDriver,
  topic: StoredTopic,
  partition = 0,
): Promise<string[]> => (await readAll(driver, topic, partition)).map(textOf);

/** Looks again until `done` says so. */
export async function eventually<T>(
  look: () => Promise<T>,
  done: (value: T) => boolean,
  ms = 20_000,
): Promise<T> {
  for (const deadline = Date.now() + ms; ; ) {
    const value = await look();
    if (done(value)) return value;
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** As the runtime does it: opens and tries the same array again until the server has said what became of it. */
export async function appendUntilStored(
  driver: LogDriver,
  topic: StoredTopic,
  batch: readonly OutboundRecord[],
  ms = 60_000,
): Promise<readonly Outcome[]> {
  return await eventually(
    async () => {
      await driver.open(soon()).catch(() => undefined);
      return await driver.append(topic, 0, batch, soon());
    },
    (outcomes) => outcomes.every(({ status }) => status === 'stored'),
    ms,
  );
}

/** A consumer as the runtime would be one: starts what it is given, keeps what it gets, gives up what is asked for. */
export class Consumer implements AsyncDisposable {
  readonly member: LogMember;
  readonly events: LogEvent[] = [];
  readonly texts: string[] = [];
  readonly owned = new Map<number, number>();
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  readonly #wakes = new Set<() => void>();

  constructor(member: LogMember) {
    this.member = member;
    this.#done = this.#run();
  }

  static async join(driver: LogDriver, topic: StoredTopic, group = 'g'): Promise<Consumer> {
    return new Consumer(await driver.join(topic, group, randomUUID(), soon()));
  }

  /** Waits until `condition` holds; looks after every event. */
  async until(condition: () => boolean, what: string, ms = 20_000): Promise<void> {
    const over = AbortSignal.timeout(ms);
    while (!condition()) {
      if (over.aborted)
        throw new Error(
          `not within ${ms} ms: ${what}; got ${JSON.stringify(this.events.slice(-3))}`,
        );
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#wakes.delete(wake);
          over.removeEventListener('abort', wake);
          resolve();
        };
        this.#wakes.add(wake);
        over.addEventListener('abort', wake);
      });
    }
  }

  untilOwner(partitions: number): Promise<void> {
    return this.until(() => this.owned.size === partitions, `${partitions} partitions owned`);
  }

  ofType<Type extends LogEvent['type']>(type: Type): Extract<LogEvent, { type: Type }>[] {
    return this.events.filter((event) => event.type === type) as Extract<
      LogEvent,
      { type: Type }
    >[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
    await this.member.close();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const events = await this.member.receive(this.#stop.signal).catch(() => []);
      for (const event of events) await this.#handle(event);
      for (const wake of this.#wakes) wake();
    }
  }

  async #handle(event: LogEvent): Promise<void> {
    this.events.push(event);
    if (event.type === 'records') this.texts.push(...event.records.map(textOf));
    if (event.type === 'assigned') {
      this.owned.set(event.partition, event.token);
      this.member.start(event.partition, event.token, event.pointer?.place ?? at(0));
    }
    if (event.type === 'revoking') {
      this.owned.delete(event.partition);
      await this.member.release(event.partition, event.token);
    }
    if (event.type === 'revoked') this.owned.delete(event.partition);
    if (event.type === 'lost' || event.type === 'gone') this.#stop.abort();
  }
}
