import { abortable, BusError, Inbox, type QueueEvent } from '@duobus/core/driver';
import { Lease } from './queue-lease.ts';

/** What a member has found out and has not told yet. */
export class MemberInbox {
  readonly #inbox = new Inbox<QueueEvent | undefined>();
  readonly #what: string;
  readonly #fresh: () => Promise<void> | undefined;
  readonly #unseen = new Set<Lease>();
  /** Taken out, but whoever received has gone. */
  #back: readonly (QueueEvent | undefined)[] = [];
  #over = false;
  #closed = false;

  /** `fresh`: what to wait for before documents are handed out. */
  constructor(what: string, fresh: () => Promise<void> | undefined = () => undefined) {
    this.#what = what;
    this.#fresh = fresh;
  }

  /** The member is lost or gone. */
  get over(): boolean {
    return this.#over;
  }

  push(event: QueueEvent): void {
    if (!this.#over) this.#inbox.push(event);
  }

  records(partition: number, records: readonly Lease[]): void {
    for (const lease of records) this.#unseen.add(lease);
    this.push({ type: 'records', partition, records });
  }

  async receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    for (;;) {
      if (this.#closed) throw this.closed();
      if (this.#back.length === 0) this.#back = await this.#inbox.receive(signal);
      const fresh = this.#fresh();
      if (fresh !== undefined) await abortable(fresh, signal);
      const events = this.#back.flatMap((event) => this.#handOut(event));
      this.#back = [];
      if (events.length > 0) return events;
    }
  }

  /** What has been put in of a partition, or of all, and nobody has seen; nobody will. */
  takeUnseen(partition?: number): readonly Lease[] {
    const mine = [...this.#unseen].filter(
      (lease) => partition === undefined || lease.queue === partition,
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

  /** The last event. */
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

  /** What is not certainly ours any more is not handed out: somebody else may have it. */
  #handOut(event: QueueEvent | undefined): readonly QueueEvent[] {
    if (event?.type !== 'records') return event === undefined ? [] : [event];
    const records = event.records.filter(
      (lease) =>
        !(lease instanceof Lease) || (this.#unseen.delete(lease) && !lease.over && !lease.expired),
    );
    return records.length === 0 ? [] : [{ ...event, records }];
  }
}
