import type { Leased, QueueEvent } from './driver.ts';
import { BusError } from './errors.ts';
import { Inbox } from './inbox.ts';
import { abortable } from './internal/abort.ts';

export interface MemberInboxOptions<Lease> {
  /** What to wait for before documents are handed out; `undefined`: nothing. */
  readonly fresh?: () => Promise<void> | undefined;
  /** Whether it is certainly the member's still: what is not is left out. Default: it is. */
  readonly isHeld?: (lease: Lease) => boolean;
}

/** What a member of a subscription has found out and has not told yet. */
export class MemberInbox<Lease extends Leased> {
  readonly #inbox = new Inbox<QueueEvent | undefined>();
  readonly #what: string;
  readonly #options: MemberInboxOptions<Lease>;
  /** Taken out, but whoever received has gone. */
  #back: readonly QueueEvent[] = [];
  /** With its partition. */
  readonly #unseen = new Map<Lease, number>();
  #over = false;
  #closed = false;

  /** `what` completes "this consumer of ...". */
  constructor(what: string, options: MemberInboxOptions<Lease> = {}) {
    this.#what = what;
    this.#options = options;
  }

  /** The member is lost or gone. */
  get over(): boolean {
    return this.#over;
  }

  push(event: QueueEvent): void {
    if (!this.#over) this.#inbox.push(event);
  }

  records(partition: number, records: readonly Lease[]): void {
    for (const lease of records) this.#unseen.set(lease, partition);
    this.push({ type: 'records', partition, records });
  }

  /** As QueueMember.receive. */
  async receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    for (;;) {
      if (this.#closed) throw this.closed();
      if (this.#back.length === 0) this.#back = await this.#take(signal);
      const fresh = this.#options.fresh?.();
      if (fresh !== undefined) await abortable(fresh, signal);
      const events = this.#back.flatMap((event) => this.#handOut(event));
      this.#back = [];
      if (events.length > 0) return events;
    }
  }

  /** What has been put in of a partition, or of all, and nobody has seen; nobody will. */
  takeUnseen(partition?: number): readonly Lease[] {
    const mine = [...this.#unseen].flatMap(([lease, of]) =>
      partition === undefined || of === partition ? [lease] : [],
    );
    for (const lease of mine) this.#unseen.delete(lease);
    this.forget(partition);
    return mine;
  }

  /** Hands out nothing of a partition, or of all, that has not been received. */
  forget(partition?: number): void {
    const matches = (event: QueueEvent | undefined): boolean =>
      event?.type === 'records' && (partition === undefined || event.partition === partition);
    this.#inbox.discard(matches);
    this.#back = this.#back.filter((event) => !matches(event));
  }

  /** The last event: what ends it first counts. */
  end(event: QueueEvent): void {
    if (this.#over || this.#closed) return;
    this.forget();
    this.push(event);
    this.#over = true;
  }

  close(): void {
    this.#closed = true;
    this.#inbox.push(undefined); // wakes who receives
  }

  closed(): BusError {
    return new BusError('DUOBUS_CLOSED', `this consumer of ${this.#what} is closed`);
  }

  async #take(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    return (await this.#inbox.receive(signal)).filter((event) => event !== undefined);
  }

  #handOut(event: QueueEvent): readonly QueueEvent[] {
    if (event.type !== 'records') return [event];
    const { isHeld = () => true } = this.#options;
    const records = (event.records as readonly Lease[]).filter(
      (lease) => this.#unseen.delete(lease) && isHeld(lease),
    );
    return records.length === 0 ? [] : [{ ...event, records }];
  }
}
