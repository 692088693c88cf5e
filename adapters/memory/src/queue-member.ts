import { BusError, type QueueEvent, type QueueMember, type Settlement } from '@duobus/core/driver';
import type { Connection, ConnectionMember } from './connection.ts';
import { MemberInbox } from './member-inbox.ts';
import type { Owner } from './ownership.ts';
import type { Lease, Subscription } from './subscription.ts';

/** One competing consumer of a subscription. */
export class MemoryQueueMember implements QueueMember, ConnectionMember, Owner {
  readonly source: 'main' | 'dead';
  readonly leases: Set<Lease> = new Set();
  readonly topic: string;
  readonly name: string;
  readonly #inbox = new MemberInbox<QueueEvent>();
  readonly #connection: Connection;
  readonly #subscription: Subscription;
  readonly #credit: number;
  readonly #taken = new Map<number, number>();
  #stopped = false;
  #over: 'closed' | 'lost' | undefined;

  constructor(
    connection: Connection,
    topic: string,
    subscription: Subscription,
    source: 'main' | 'dead',
    credit: number,
  ) {
    this.#connection = connection;
    this.topic = topic;
    this.name = subscription.name;
    this.#subscription = subscription;
    this.source = source;
    this.#credit = credit;
    connection.add(this);
    subscription.join(this);
  }

  async receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    const events = await this.#inbox.receive(signal);
    // Only from here on can a consumer have seen them.
    for (const event of events) {
      if (event.type === 'records')
        for (const { token } of event.records) (token as Lease).entry.handed = true;
    }
    return events;
  }

  async settle(batch: readonly Settlement[]): Promise<readonly ('settled' | 'lost')[]> {
    this.#check();
    const answers = batch.map((settlement) => this.#subscription.settle(this, settlement));
    this.#subscription.dispatch();
    return answers;
  }

  async note(token: unknown, state: string): Promise<'kept' | 'moved' | 'lost'> {
    this.#check();
    return this.#subscription.note(this, token, state);
  }

  async stop(): Promise<void> {
    this.#check();
    this.#stopped = true;
  }

  async release(partition: number): Promise<void> {
    this.#check();
    this.#forget(partition);
    this.#subscription.release(this, partition);
  }

  async close(): Promise<void> {
    if (this.#over === 'closed') return;
    const lost = this.#over === 'lost';
    this.#over = 'closed';
    this.#inbox.end(
      new BusError('DUOBUS_CLOSED', `the consumer of ${this.topic}/${this.name} is closed`),
    );
    if (!lost) this.#leave();
  }

  cut(reason: string): void {
    const message = `the consumer of ${this.topic}/${this.name} has lost its connection: ${reason}`;
    this.#end({
      type: 'lost',
      error: new BusError('DUOBUS_UNAVAILABLE', message, { retryable: true }),
    });
  }

  gone(): void {
    const message = `subscription ${this.name} of topic ${this.topic} has been removed: subscribe again to create it anew`;
    this.#end({ type: 'gone', error: new BusError('DUOBUS_NOT_FOUND', message) });
  }

  room(partition: number): number {
    return this.#stopped ? 0 : this.#credit - (this.#taken.get(partition) ?? 0);
  }

  take(partition: number, count: number): void {
    this.#taken.set(partition, (this.#taken.get(partition) ?? 0) + count);
  }

  push(event: QueueEvent): void {
    this.#inbox.push(event);
  }

  assigned(partition: number): void {
    this.push({ type: 'assigned', partition });
    this.#subscription.dispatch();
  }

  revoking(partition: number, _token: number, withinMs: number): void {
    this.push({ type: 'revoking', partition, withinMs });
  }

  revoked(partition: number): void {
    this.#forget(partition);
    this.push({ type: 'revoked', partition });
    this.#subscription.release(this, partition);
  }

  #end(event: QueueEvent): void {
    if (this.#over !== undefined) return;
    this.#over = 'lost';
    this.#inbox.discard(({ type }) => type === 'records');
    this.push(event);
    this.#leave();
  }

  #leave(): void {
    this.#subscription.leave(this);
    this.#connection.remove(this);
  }

  /** What waits to be received of a partition goes back unseen. */
  #forget(partition: number): void {
    this.#inbox.discard((event) => event.type === 'records' && event.partition === partition);
  }

  #check(): void {
    if (this.#over === 'closed')
      throw new BusError('DUOBUS_CLOSED', `the consumer of ${this.topic}/${this.name} is closed`);
  }
}
