import { inParallel } from '@duobus/core/driver';
import { chunked, hideCommand, isRefused, width } from './queue-batches.ts';
import { isPassing } from './queue-insist.ts';
import { hideableMs, type Lease } from './queue-lease.ts';
import type { Scope } from './queue-scope.ts';

export interface HeldEvents {
  /** So many are held no longer. */
  freed(count: number): void;
  /** They may be somebody else's by now. */
  expired(leases: readonly Lease[]): void;
  failed(error: unknown): void;
}

/** What a member holds: kept from others for as long as it is held, however long that is, by one timer for all. */
export class Held {
  readonly #scope: Scope;
  readonly #visibilityMs: number;
  readonly #events: HeldEvents;
  readonly #signal: AbortSignal;
  readonly #leases = new Set<Lease>();
  #timer: NodeJS.Timeout | undefined;
  #extending: Promise<void> | undefined;
  #ended = false;

  constructor(scope: Scope, events: HeldEvents, signal: AbortSignal) {
    this.#scope = scope;
    this.#visibilityMs = scope.connection.settings.visibilityMs;
    this.#events = events;
    this.#signal = signal;
  }

  add(leases: readonly Lease[]): void {
    for (const lease of leases) this.#leases.add(lease);
    if (this.#leases.size > 0 && !this.#ended) this.#timer ??= this.#tickSoon();
  }

  has(lease: Lease): boolean {
    return this.#leases.has(lease);
  }

  drop(leases: Iterable<Lease>): void {
    const before = this.#leases.size;
    for (const lease of leases) this.#leases.delete(lease);
    const count = before - this.#leases.size;
    if (count > 0) this.#events.freed(count);
  }

  /** Those that are still held; none is afterwards, and the timer is over. */
  end(): readonly Lease[] {
    this.#ended = true;
    clearTimeout(this.#timer);
    const rest = [...this.#leases];
    this.#leases.clear();
    return rest;
  }

  /** Resolves when no extension is under way that could come after what is sent now. */
  async quiet(): Promise<void> {
    await this.#extending;
  }

  /** Twice in the half that is left when an extension is due. */
  #tickSoon(): NodeJS.Timeout {
    const timer = setTimeout(() => this.#tick(), firstVisibilityMs(this.#visibilityMs) / 4);
    timer.unref();
    return timer;
  }

  #tick(): void {
    this.#extending = this.#extend()
      .catch((error: unknown) => this.#events.failed(error))
      .finally(() => {
        this.#extending = undefined;
        this.#timer = this.#leases.size > 0 && !this.#ended ? this.#tickSoon() : undefined;
      });
  }

  async #extend(): Promise<void> {
    const now = performance.now();
    const expired: Lease[] = [];
    const due: Lease[] = [];
    for (const lease of this.#leases) {
      const left = lease.deadline - now;
      if (left <= 0) expired.push(lease);
      else if (left < lease.grantedMs / 2 && this.#mayTake(lease, now) > left) due.push(lease);
    }
    this.#expire(expired);
    await inParallel([...chunked(due)], width, (chunk) => this.#extendBatch(chunk));
  }

  async #extendBatch(chunk: readonly Lease[]): Promise<void> {
    const open = chunk.filter((lease) => this.#leases.has(lease));
    if (open.length === 0) return;
    const at = performance.now();
    const seconds = (lease: Lease): number => Math.floor(this.#mayTake(lease, at) / 1_000);
    const granted = new Map(open.map((lease) => [lease, seconds(lease) * 1_000]));
    const tried = `keep documents of ${this.#scope.what}`;
    const command = hideCommand(this.#scope, open, (lease) => (granted.get(lease) ?? 0) / 1_000);
    try {
      const { Failed = [] } = await this.#scope.connection.sqs(command, this.#signal, tried);
      const failed = new Map(Failed.map((entry) => [entry.Id, entry]));
      const refused: Lease[] = [];
      open.forEach((lease, index) => {
        const failure = failed.get(String(index));
        if (failure === undefined) {
          lease.grantedMs = granted.get(lease) as number;
          lease.deadline = at + lease.grantedMs;
        } else if (isRefused(failure)) refused.push(lease);
      });
      this.#expire(refused);
    } catch (error) {
      // it is tried again at the next tick, as long as they are ours
      if (!isPassing(error)) throw error;
    }
  }

  /** Those that are being settled meanwhile are refused because they are gone. */
  #expire(leases: readonly Lease[]): void {
    const lost = leases.filter((lease) => this.#leases.has(lease) && !lease.over);
    this.drop(leases);
    for (const lease of lost) lease.over = true;
    if (lost.length > 0) this.#events.expired(lost);
  }

  #mayTake(lease: Lease, now: number): number {
    return Math.min(this.#visibilityMs, hideableMs(lease, now));
  }
}

/** Shorter: what is received by a connection that has just broken, or a process that dies at once, comes back soon. */
export function firstVisibilityMs(visibilityMs: number): number {
  return Math.min(visibilityMs, 20_000);
}
