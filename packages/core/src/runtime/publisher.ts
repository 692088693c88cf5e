import type { Outcome, OutboundRecord, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import { deferred } from '../internal/deferred.ts';
import { Deque } from '../internal/deque.ts';
import { Lineup, type Entry, type Sender } from './lineup.ts';
import type { Context } from './context.ts';
import type { Link } from './link.ts';

/** Publishes in batches: one lineup per topic and partition, one bounded buffer for all. */
export class Publisher {
  readonly #context: Context;
  readonly #link: Link;
  readonly #sender: Sender;
  readonly #lineups = new Map<string, Lineup>();
  readonly #room = new Deque<() => void>();
  readonly #maxDocuments: number;
  readonly #maxBytes: number;
  readonly #timeoutMs: number;
  #documents = 0;
  #bytes = 0;
  #sweeping = false;
  #emptied: (() => void)[] = [];

  constructor(context: Context, link: Link, sender: Sender) {
    const { publishTimeoutMs = 30_000, publishBuffer = {} } = context.options;
    this.#context = context;
    this.#link = link;
    this.#sender = sender;
    this.#timeoutMs = publishTimeoutMs;
    this.#maxDocuments = publishBuffer.documents ?? 10_000;
    this.#maxBytes = publishBuffer.bytes ?? 64 * 1024 * 1024;
  }

  /** When a publish that begins now gives up. */
  deadline(): number {
    return this.#context.timers.now() + this.#timeoutMs;
  }

  get hasRoom(): boolean {
    return (
      this.#documents < this.#maxDocuments && this.#bytes < this.#maxBytes && this.#room.size === 0
    );
  }

  /** Resolves when there is room, in the order of the calls; rejects with DUOBUS_TIMEOUT at the deadline. */
  async room(deadline: number, signal: AbortSignal | undefined): Promise<void> {
    while (!this.#hasRoomForOne) {
      const { promise, resolve, reject } = deferred();
      const abort = (): void => reject(signal?.reason);
      signal?.addEventListener('abort', abort, { once: true });
      const cancel = this.#context.timers.after(deadline - this.#context.timers.now(), () =>
        reject(timeout(this.#timeoutMs, 'the publish buffer stayed full', this.#link.lastError)),
      );
      this.#room.push(resolve);
      try {
        await promise;
      } finally {
        cancel();
        signal?.removeEventListener('abort', abort);
        this.#room.take((waiting) => waiting === resolve);
        // Room for several may have come at once, and only the first was told.
        if (this.#hasRoomForOne) queueMicrotask(() => this.#room.peek()?.());
      }
    }
  }

  /** As `promise`, or DUOBUS_TIMEOUT at the deadline. */
  async by<T>(deadline: number, promise: Promise<T>): Promise<T> {
    const { timers } = this.#context;
    const { promise: late, reject } = deferred<never>();
    const cancel = timers.after(deadline - timers.now(), () =>
      reject(timeout(this.#timeoutMs, 'it did not get its turn', this.#link.lastError)),
    );
    return Promise.race([promise, late]).finally(cancel);
  }

  get #hasRoomForOne(): boolean {
    return this.#documents < this.#maxDocuments && this.#bytes < this.#maxBytes;
  }

  /** Puts a document into its lineup, in the order of the calls. Resolves when it is stored. */
  publish(
    topic: StoredTopic,
    partition: number,
    record: OutboundRecord,
    bytes: number,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<Extract<Outcome, { status: 'stored' }>> {
    const { promise, resolve, reject } = deferred<Extract<Outcome, { status: 'stored' }>>();
    const lineup = this.#lineup(topic, partition);
    const abort = (): void => lineup.giveUp(entry, signal?.reason);
    const end = (): void => {
      signal?.removeEventListener('abort', abort);
      this.#documents -= 1;
      this.#bytes -= bytes;
      this.#room.peek()?.();
      if (this.#documents === 0) for (const emptied of this.#emptied.splice(0)) emptied();
    };
    const entry: Entry = {
      record,
      bytes,
      deadline,
      phase: 'waiting',
      stored: (outcome) => {
        end();
        resolve(outcome);
      },
      failed: (error) => {
        end();
        reject(error);
      },
    };
    this.#documents += 1;
    this.#bytes += bytes;
    signal?.addEventListener('abort', abort, { once: true });
    lineup.add(entry);
    this.#watch();
    return promise;
  }

  /** Resolves when everything published has its result. */
  flushed(): Promise<void> {
    if (this.#documents === 0) return Promise.resolve();
    return new Promise((resolve) => this.#emptied.push(resolve));
  }

  /** Rejects whatever has no result yet. */
  close(error: BusError): void {
    for (const lineup of this.#lineups.values())
      lineup.expire(Number.POSITIVE_INFINITY, () => error);
  }

  #lineup(topic: StoredTopic, partition: number): Lineup {
    const key = `${topic.incarnation}/${partition}`;
    let lineup = this.#lineups.get(key);
    if (lineup === undefined) {
      lineup = new Lineup(this.#sender, this.#link, this.#context, topic, partition, () =>
        this.#lineups.delete(key),
      );
      this.#lineups.set(key, lineup);
    }
    return lineup;
  }

  #watch(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#context.timers.after(250, () => this.#expire());
  }

  /** One timer for all deadlines: documents of a lineup reach theirs in order. */
  #expire(): void {
    this.#sweeping = false;
    const now = this.#context.timers.now();
    for (const lineup of this.#lineups.values())
      lineup.expire(now, (sent) =>
        timeout(
          this.#timeoutMs,
          sent ? 'the broker has not confirmed' : 'the broker could not be reached',
          this.#link.lastError,
        ),
      );
    if (this.#documents > 0) this.#watch();
  }
}

function timeout(ms: number, what: string, cause: unknown): BusError {
  return new BusError(
    'DUOBUS_TIMEOUT',
    `publish gave up after ${ms} ms: ${what}. Raise publishTimeoutMs, publish less at a time, or look at bus.health()`,
    { cause, retryable: true, outcome: 'rejected' },
  );
}
