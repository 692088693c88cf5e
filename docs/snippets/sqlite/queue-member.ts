import { randomUUID } from 'node:crypto';
import {
  BusError,
  Inbox,
  type QueueEvent,
  type QueueMember,
  type Settlement,
} from '@duobus/core/driver';
import { leaseMs, type Queue, type Store } from './store.ts';

const lookMs = 20;

// #region member
/** One competing consumer: looks for documents while it has room, and keeps its leases alive. */
export class SqliteQueueMember implements QueueMember {
  readonly #id = randomUUID();
  readonly #inbox = new Inbox<QueueEvent>();
  readonly #store: Store;
  readonly #queue: Queue;
  readonly #credit: number;
  readonly #leased = new Set<unknown>();
  readonly #looking: NodeJS.Timeout;
  readonly #renewing: NodeJS.Timeout;
  #idle = false;
  #closed = false;

  constructor(store: Store, queue: Queue, credit: number) {
    this.#store = store;
    this.#queue = queue;
    this.#credit = queue.dead === 1 ? Number.MAX_SAFE_INTEGER : credit;
    this.#looking = setInterval(() => this.#look(), lookMs);
    this.#renewing = setInterval(() => this.#store.renew(this.#id), leaseMs / 3);
  }

  receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    return this.#inbox.receive(signal);
  }

  async settle(batch: readonly Settlement[]): Promise<readonly ('settled' | 'lost')[]> {
    this.#check();
    return batch.map((settlement) => {
      this.#leased.delete(settlement.token);
      return this.#store.settle(this.#id, settlement) ? 'settled' : 'lost';
    });
  }

  async note(token: unknown, state: string): Promise<'kept' | 'lost'> {
    this.#check();
    return this.#store.note(this.#id, token as number, state) ? 'kept' : 'lost';
  }

  async release(): Promise<void> {
    throw new BusError(
      'DUOBUS_BUG',
      'this adapter has no order by key, so there is no partition to release',
    );
  }

  async stop(): Promise<void> {
    clearInterval(this.#looking);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#end();
    if (this.#store.db.isOpen) this.#store.giveBack(this.#id);
  }

  #look(): void {
    const { topic, name, dead } = this.#queue;
    if (!this.#store.names(topic).includes(name)) {
      const error = new BusError(
        'DUOBUS_NOT_FOUND',
        `subscription ${name} of topic ${topic} has been removed`,
      );
      this.#inbox.push({ type: 'gone', error });
      this.#end();
      return;
    }
    if (dead === 1 && this.#store.heldByOthers(this.#queue, this.#id)) return;
    const records = this.#store.lease(
      this.#queue,
      this.#id,
      Math.min(this.#credit - this.#leased.size, 1_000),
    );
    for (const { token } of records) this.#leased.add(token);
    if (records.length > 0) this.#inbox.push({ type: 'records', partition: 0, records });
    else if (dead === 1 && !this.#idle) this.#inbox.push({ type: 'idle' });
    this.#idle = records.length === 0;
  }

  #end(): void {
    this.#closed = true;
    clearInterval(this.#looking);
    clearInterval(this.#renewing);
  }

  #check(): void {
    if (this.#closed)
      throw new BusError('DUOBUS_CLOSED', `the consumer of ${this.#queue.name} is closed`);
  }
}
// #endregion member
