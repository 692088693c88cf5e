import { randomUUID } from 'node:crypto';
import { testUrl } from '@duobus/brokers';
import type {
  LogDriver,
  LogEvent,
  LogMember,
  LogRecord,
  OutboundRecord,
  StoredTopic,
} from '@duobus/core/driver';
import { createAdapter } from '../../src/index.ts';
import type { KafkaOptions } from '../../src/options.ts';

/** Short times, so that tests do not wait for a session of ten seconds. */
export const quick: Partial<KafkaOptions> = {
  sessionTimeoutMs: 6_000,
  heartbeatIntervalMs: 200,
  metadataIntervalMs: 1_000,
  rebalanceTimeoutMs: 5_000,
};

export const soon = (ms = 20_000): AbortSignal => AbortSignal.timeout(ms);

export async function openDriver(
  options: Partial<KafkaOptions> = {},
  url?: string,
): Promise<LogDriver> {
  const adapter = createAdapter({
    url: url ?? testUrl('kafka'),
    options: { ...quick, ...options },
  });
  const driver = adapter.log as LogDriver;
  await driver.open(soon());
  return driver;
}

export function wantedTopic(over: Partial<StoredTopic> = {}): StoredTopic {
  return {
    v: 1,
    kind: 'data',
    name: `test-${randomUUID()}`,
    order: 'key',
    partitions: 2,
    retention: { maxAgeMs: 3_600_000, maxBytes: null },
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

export function records(texts: readonly string[]): OutboundRecord[] {
  return texts.map((text) => ({
    key: `key-${text}`,
    headers: { ce_id: text },
    body: Buffer.from(text),
  }));
}

export const numbered = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => String(from + index));

export const textOf = ({ body }: Pick<LogRecord, 'body'>): string =>
  Buffer.from(body ?? []).toString();

export const at = (offset: number): { offset: number; time: number } => ({ offset, time: 0 });

/** A consumer as the runtime would be one: starts what it is given, keeps what it gets, gives up what is asked for. */
export class Consumer {
  readonly member: LogMember;
  readonly events: LogEvent[] = [];
  readonly owned = new Map<number, number>();
  readonly got: { readonly partition: number; readonly offset: number; readonly text: string }[] =
    [];
  readonly next = new Map<number, number>();
  /** How long what runs takes when a partition is asked back. */
  drainMs = 0;
  #stop = new AbortController();
  #done: Promise<void>;
  #wake: (() => void)[] = [];

  constructor(member: LogMember) {
    this.member = member;
    this.#done = this.#run();
  }

  static async join(driver: LogDriver, topic: StoredTopic, group: string): Promise<Consumer> {
    return new Consumer(await driver.join(topic, group, crypto.randomUUID(), soon()));
  }

  /** Waits until `condition` holds; looks after every event. */
  async until(condition: () => boolean, what: string, ms = 20_000): Promise<void> {
    for (const deadline = Date.now() + ms; !condition(); ) {
      if (Date.now() > deadline)
        throw new Error(
          `not within ${ms} ms: ${what}; got ${JSON.stringify(this.events.slice(-5))}`,
        );
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  tokenOf(partition: number): number {
    const token = this.owned.get(partition);
    if (token === undefined) throw new Error(`partition ${partition} is not owned`);
    return token;
  }

  async untilOwning(count: number): Promise<void> {
    await this.until(() => this.owned.size === count, `owning ${count} partitions`);
  }

  async commit(
    partition: number,
    offset: number,
    text = `text-${offset}`,
  ): Promise<'ok' | 'fenced'> {
    const token = this.owned.get(partition) ?? -1;
    const [result] = await this.member.commit([
      { partition, token, pointer: { place: at(offset), text } },
    ]);
    return result as 'ok' | 'fenced';
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#done;
    await this.member.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    try {
      while (!signal.aborted) {
        for (const event of await this.member.receive(signal)) this.#take(event);
        for (const wake of this.#wake.splice(0)) wake();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #take(event: LogEvent): void {
    this.events.push(event);
    if (event.type === 'assigned') {
      this.owned.set(event.partition, event.token);
      const start = event.pointer?.place.offset ?? 0;
      this.next.set(event.partition, start);
      this.member.start(event.partition, event.token, at(start));
    } else if (event.type === 'records') {
      if (this.owned.get(event.partition) !== event.token) return;
      for (const record of event.records)
        this.got.push({ partition: event.partition, offset: record.offset, text: textOf(record) });
      this.next.set(event.partition, (event.records.at(-1) as LogRecord).offset + 1);
    } else if (event.type === 'revoking') {
      this.#giveUp(event);
    } else if (event.type === 'revoked') this.owned.delete(event.partition);
    else if (event.type === 'lost' || event.type === 'gone') this.owned.clear();
  }

  #giveUp({ partition, token, cause }: LogEvent & { type: 'revoking' }): void {
    setTimeout(async () => {
      if (this.owned.get(partition) !== token) return;
      if (cause === 'rebalance') await this.commit(partition, this.next.get(partition) ?? 0);
      this.owned.delete(partition);
      await this.member.release(partition, token);
    }, this.drainMs);
  }
}

/** Looks again until it holds. */
export async function eventually<T>(
  look: () => Promise<T>,
  holds: (value: T) => boolean,
  ms = 20_000,
): Promise<T> {
  for (const deadline = Date.now() + ms; ; ) {
    const value = await look();
    if (holds(value)) return value;
    if (Date.now() > deadline)
      throw new Error(`not within ${ms} ms, last seen: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
