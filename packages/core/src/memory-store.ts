import { BusError } from './errors.ts';
import { checkOptions } from './internal/check-options.ts';
import { checkInteger } from './internal/check-values.ts';
import { systemClock } from './internal/clock.ts';
import type { Clock } from './internal/clock.ts';
import type { BeginResult, IdempotenceStore } from './idempotence.ts';

export interface MemoryStoreOptions {
  /** How long a mark is kept, in ms; `null` is as long as the process lives. Default 604,800,000 (7 days), which is
   *  how long a topic keeps its documents by default. */
  readonly keepsForMs?: number | null;
  /** Marks at most. A full store refuses: it never forgets what is still valid. Default 1,000,000. */
  readonly maxEntries?: number;
  /** Default: the process's. */
  readonly clock?: Pick<Clock, 'now'>;
}

/** Marks in this process's memory: for tests, and for effects that are in this process's memory themselves. */
export function memoryStore(options: MemoryStoreOptions = {}): IdempotenceStore<undefined> {
  checkOptions('memoryStore', options, ['keepsForMs', 'maxEntries', 'clock']);
  const { keepsForMs = 604_800_000, maxEntries = 1_000_000, clock = systemClock } = options;
  if (keepsForMs !== null)
    checkInteger('memoryStore', 'keepsForMs', keepsForMs, 1, Number.MAX_SAFE_INTEGER);
  checkInteger('memoryStore', 'maxEntries', maxEntries, 1, 2 ** 24);
  if (typeof (clock as Clock | null)?.now !== 'function')
    throw new TypeError('memoryStore: clock must be an object with now()');
  return new MemoryStore(keepsForMs, maxEntries, clock);
}

interface Lease {
  readonly end: number;
  readonly owner: string | undefined;
}

const isOf = (lease: Lease, owner: string | undefined): boolean =>
  owner !== undefined && lease.owner === owner;

const isOfAnother = (lease: Lease, owner: string | undefined): boolean =>
  owner !== undefined && lease.owner !== undefined && lease.owner !== owner;

class MemoryStore implements IdempotenceStore<undefined> {
  readonly keepsForMs: number | null;
  readonly #maxEntries: number;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #running = new Map<string, Lease>();
  /** Keys that are done and when their mark expires: in this order, as all are kept equally long. */
  readonly #done = new Map<string, number>();

  constructor(keepsForMs: number | null, maxEntries: number, clock: Pick<Clock, 'now'>) {
    this.keepsForMs = keepsForMs;
    this.#maxEntries = maxEntries;
    this.#clock = clock;
  }

  async begin(key: string, leaseMs: number, owner?: string): Promise<BeginResult> {
    const now = this.#clock.now();
    this.#forgetDone(now);
    if (this.#done.has(key)) return 'done';
    const lease = this.#running.get(key);
    if (lease !== undefined && lease.end > now && !isOf(lease, owner)) return 'running';
    if (lease === undefined) this.#makeRoom(now);
    this.#running.set(key, { end: now + leaseMs, owner });
    return 'new';
  }

  async done(key: string, owner?: string): Promise<void> {
    const lease = this.#running.get(key);
    if (lease !== undefined && isOfAnother(lease, owner))
      throw new BusError(
        'DUOBUS_CONFLICT',
        'the lease of this run has ended and another has taken its place, which may repeat the effect: raise leaseMs above the longest run',
        { retryable: true },
      );
    this.#running.delete(key);
    this.#done.delete(key);
    this.#done.set(key, this.#clock.now() + (this.keepsForMs ?? Number.POSITIVE_INFINITY));
  }

  async fail(key: string, owner?: string): Promise<void> {
    const lease = this.#running.get(key);
    if (lease !== undefined && !isOfAnother(lease, owner)) this.#running.delete(key);
  }

  #forgetDone(now: number): void {
    for (const [key, end] of this.#done) {
      if (end > now) return;
      this.#done.delete(key);
    }
  }

  #makeRoom(now: number): void {
    if (this.#size < this.#maxEntries) return;
    for (const [key, { end }] of this.#running) if (end <= now) this.#running.delete(key);
    if (this.#size < this.#maxEntries) return;
    throw new BusError(
      'DUOBUS_REJECTED',
      `memoryStore is full: ${this.#maxEntries} effects are marked and none has expired. Raise maxEntries, lower keepsForMs (and the topic's retention), or keep the marks in a database`,
      { retryable: true, context: { maxEntries: this.#maxEntries, keepsForMs: this.keepsForMs } },
    );
  }

  get #size(): number {
    return this.#running.size + this.#done.size;
  }
}
