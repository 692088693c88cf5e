import {
  BusError,
  Inbox,
  type QueueEvent,
  type QueueMember,
  type Settlement,
} from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { Consumer } from './consumer.ts';
import type { DelayQueues } from './delay-queues.ts';
import type { Lease } from './lease.ts';
import { endOf } from './member-end.ts';
import type { Publisher } from './publisher.ts';
import {
  copyTo,
  type Destination,
  heldLease,
  move,
  settleBatch,
  type Settled,
  type Settling,
} from './settle.ts';
import type { SubscriptionQueues } from './topology.ts';

/** What members need of the driver. */
export interface MemberContext {
  readonly connection: Connection;
  readonly copies: Publisher;
  readonly queues: SubscriptionQueues;
  readonly delays: DelayQueues;
}

/** A competing consumer of a subscription without order: of its main queue, and of the one with its suspects. */
export class UnorderedMember implements QueueMember, Settling {
  readonly copies: Publisher;
  readonly signal: AbortSignal;
  readonly #context: MemberContext;
  readonly #inbox = new Inbox<QueueEvent>();
  readonly #closing = new AbortController();
  #consumers: readonly Consumer[] = [];
  #over = false;
  #finished = false;

  static async open(
    context: MemberContext,
    credit: number,
    signal: AbortSignal,
  ): Promise<UnorderedMember> {
    const member = new UnorderedMember(context);
    const { connection, queues } = context;
    const events = {
      deliver: (records: Lease[]): void => member.#deliver(records),
      end: (reason: Error | undefined, queue: string): void => member.#end(reason, queue),
    };
    // the suspects one at a time: one of them may be what kills its process
    const suspects = await Consumer.open(
      connection,
      queues.suspects,
      { prefetch: 1 },
      events,
      signal,
    );
    member.#consumers = [suspects];
    try {
      const main = await Consumer.open(
        connection,
        queues.main(0),
        { prefetch: credit },
        events,
        signal,
      );
      member.#consumers = [suspects, main];
    } catch (error) {
      await member.close();
      throw error;
    }
    return member;
  }

  private constructor(context: MemberContext) {
    this.#context = context;
    this.copies = context.copies;
    this.signal = this.#closing.signal;
  }

  async receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    this.#refuseClosed();
    return this.#inbox.receive(signal);
  }

  async settle(batch: readonly Settlement[]): Promise<readonly Settled[]> {
    return settleBatch(batch, this);
  }

  async note(token: unknown, state: string): Promise<'kept' | 'moved' | 'lost'> {
    const lease = heldLease(token);
    if (lease === undefined) return 'lost';
    return move(lease, copyTo(this.#context.queues.suspects, lease, state), this);
  }

  async release(): Promise<void> {
    await Promise.resolve(); // there are no partitions to release
  }

  async stop(): Promise<void> {
    await Promise.all(this.#consumers.map((consumer) => consumer.cancel()));
  }

  async close(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#consumers.map((consumer) => consumer.close()));
    this.#closing.abort(new BusError('DUOBUS_CLOSED', 'the consumer was closed'));
  }

  async destination(lease: Lease, settlement: Settlement): Promise<Destination | undefined> {
    const { queues, delays } = this.#context;
    switch (settlement.verdict) {
      case 'again': {
        const queue = await delays.queueFor(queues, settlement.delayMs, 0, this.signal);
        return copyTo(queue, lease, settlement.state);
      }
      case 'dead':
        return copyTo(queues.dead, lease, settlement.state);
      case 'back':
        return copyTo(lease.consumer.queue, lease, settlement.state);
      case 'done':
        return undefined;
    }
  }

  removed(): void {
    // nothing is kept about a record besides itself
  }

  failed(lease: Lease, error: BusError): void {
    if (error.code === 'DUOBUS_UNAVAILABLE') this.#finish({ type: 'lost', error });
    else lease.consumer.requeue(lease);
  }

  #deliver(records: Lease[]): void {
    if (!this.#over) this.#inbox.push({ type: 'records', partition: 0, records });
  }

  #end(reason: Error | undefined, queue: string): void {
    if (this.#over) return;
    this.#over = true;
    void endOf(this.#context.connection, queue, reason).then((event) => this.#finish(event));
  }

  #finish(event: QueueEvent): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#over = true;
    this.#inbox.discard((waiting) => waiting.type === 'records');
    this.#inbox.push(event);
    void this.close();
  }

  #refuseClosed(): void {
    if (this.#closing.signal.aborted && this.#inbox.size === 0) {
      throw new BusError('DUOBUS_CLOSED', 'this consumer is closed');
    }
  }
}
