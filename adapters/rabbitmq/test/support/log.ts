import { randomUUID } from 'node:crypto';
import { testUrl } from '@duobus/brokers';
import type {
  Bounds,
  LogDriver,
  LogEvent,
  LogMember,
  LogRecord,
  Place,
  StoredTopic,
} from '@duobus/core/driver';
import { rabbitmq, type RabbitmqNative, type RabbitmqOptions } from '../../src/index.ts';
import { record, soon } from './driver.ts';

export type TestLog = LogDriver<RabbitmqNative> & AsyncDisposable;

/** A short lease, so that tests do not wait for ten seconds. */
export async function openLog(options: RabbitmqOptions = {}): Promise<TestLog> {
  const url = options.url ?? (await testUrl('rabbitmq'));
  const { log } = rabbitmq({ groupLeaseMs: 2_000, ...options, url });
  if (log === undefined) throw new Error('the adapter has no log half');
  await log.open(soon());
  return Object.assign(log, { [Symbol.asyncDispose]: () => log.close() }) as TestLog;
}

export async function makeLog(
  driver: LogDriver,
  over: Partial<StoredTopic> = {},
): Promise<StoredTopic> {
  const wanted: StoredTopic = {
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
  return driver.ensureTopic(wanted, 'create', soon());
}

/** Small enough to be dropped by some hundred KiB. */
export const small = { maxAgeMs: null, maxBytes: 100_000 };

export const numbered = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => String(from + index));

export async function append(
  driver: LogDriver,
  topic: StoredTopic,
  ids: readonly string[],
  { partition = 0, padding = 0 } = {},
): Promise<void> {
  const bodies = ids.map((id) => record(id, {}, id.padEnd(padding, ' ')));
  for (const outcome of await driver.append(topic, partition, bodies, soon()))
    if (outcome.status !== 'stored') throw outcome.error;
}

export const textOf = ({ body }: Pick<LogRecord, 'body'>): string =>
  Buffer.from(body ?? [])
    .toString()
    .trimEnd();

export async function boundsOf(driver: LogDriver, topic: StoredTopic): Promise<Bounds> {
  const [bounds] = await driver.bounds(topic, soon());
  return bounds as Bounds;
}

/** All there is from a place on. */
export async function readAll(
  driver: LogDriver,
  topic: StoredTopic,
  start?: Place,
): Promise<readonly LogRecord[]> {
  const { first, end } = await boundsOf(driver, topic);
  const records: LogRecord[] = [];
  for (let from = start ?? first; from.offset < end.offset; ) {
    const limits = { maxBytes: 200_000, maxWaitMs: 0 };
    const result = await driver.read(topic, 0, from, limits, soon());
    records.push(...result.records);
    from = result.next;
  }
  return records;
}

/** A consumer as the runtime would be one: starts what it is given, keeps what it gets, gives up what is asked for. */
export class Consumer implements AsyncDisposable {
  readonly member: LogMember;
  readonly events: LogEvent[] = [];
  readonly owned = new Map<number, number>();
  readonly got: LogRecord[] = [];
  readonly #bounds: () => Promise<readonly Bounds[]>;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #wake: () => void = () => undefined;

  static async join(driver: LogDriver, topic: StoredTopic, group = 'group'): Promise<Consumer> {
    const member = await driver.join(topic, group, randomUUID(), soon());
    return new Consumer(member, () => driver.bounds(topic, soon()));
  }

  constructor(member: LogMember, bounds: () => Promise<readonly Bounds[]>) {
    this.member = member;
    this.#bounds = bounds;
    this.#done = this.#run();
  }

  get texts(): readonly string[] {
    return this.got.map(textOf);
  }

  /** Looks after every event, and now and then. */
  async until(condition: () => boolean, what: string, ms = 20_000): Promise<this> {
    for (const deadline = Date.now() + ms; !condition(); ) {
      if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}; ${this.#told()}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this;
  }

  untilOwning(count: number): Promise<this> {
    return this.until(() => this.owned.size === count, `owns ${count} partitions`);
  }

  token(partition = 0): number {
    return this.owned.get(partition) ?? -1;
  }

  async commit(offset: number, partition = 0): Promise<'ok' | 'fenced' | undefined> {
    const pointer = { place: { offset, time: 0 }, text: `at ${offset}` };
    const write = { partition, token: this.token(partition), pointer };
    return (await this.member.commit([write]))[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
    await this.member.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    try {
      while (!signal.aborted) {
        for (const event of await this.member.receive(signal)) await this.#take(event);
        this.#wake();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #take(event: LogEvent): Promise<void> {
    this.events.push(event);
    if (event.type === 'records') {
      if (this.owned.get(event.partition) === event.token) this.got.push(...event.records);
    } else if (event.type === 'assigned') {
      const { partition, token, pointer } = event;
      this.owned.set(partition, token);
      const place = pointer?.place ?? (await this.#bounds())[partition]?.first;
      if (place !== undefined) this.member.start(partition, token, place);
    } else if (event.type === 'revoking') {
      this.owned.delete(event.partition);
      void this.member.release(event.partition, event.token);
    } else if (event.type === 'revoked') this.owned.delete(event.partition);
    else if (event.type === 'lost' || event.type === 'gone') this.owned.clear();
  }

  #told(): string {
    return JSON.stringify(this.events.slice(-3)).slice(0, 500);
  }
}
