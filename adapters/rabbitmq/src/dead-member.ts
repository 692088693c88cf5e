import { randomUUID } from 'node:crypto';
import {
  BusError,
  Inbox,
  type QueueEvent,
  type QueueMember,
  type Settlement,
} from '@duobus/core/driver';
import { Consumer } from './consumer.ts';
import type { Lease } from './lease.ts';
import { endOf } from './member-end.ts';
import type { Publisher } from './publisher.ts';
import type { MemberContext } from './queue-member.ts';
import { partitionOf } from './record-codec.ts';
import {
  copyTo,
  type Destination,
  heldLease,
  move,
  settleBatch,
  type Settled,
  type Settling,
} from './settle.ts';

const markerType = 'duobus.marker';
/** A marker this old belongs to a lister that has died. */
const staleMs = 600_000;
/** The most AMQP can lease at a time. */
const prefetch = 65_535;

/**
 * Lists dead letters. Their queue has a single active consumer, so that listers wait for one another. It hands out in
 * order: when a marker that was put behind everything comes back, everything that was there has come. Nothing is
 * returned before the end, or it would come again at once.
 */
export class DeadMember implements QueueMember, Settling {
  readonly copies: Publisher;
  readonly signal: AbortSignal;
  readonly #context: MemberContext;
  readonly #inbox = new Inbox<QueueEvent>();
  readonly #closing = new AbortController();
  readonly #marker: string = randomUUID();
  #consumer: Consumer | undefined;
  #handedOut = 0;
  #stopped = false;
  #finished = false;

  static async open(context: MemberContext, signal: AbortSignal): Promise<DeadMember> {
    const member = new DeadMember(context);
    const { connection, copies, queues } = context;
    const events = {
      deliver: (leases: Lease[]): void => member.#deliver(leases),
      end: (reason: Error | undefined, queue: string): void => member.#end(reason, queue),
    };
    member.#consumer = await Consumer.open(
      connection,
      queues.dead,
      { prefetch, single: true },
      events,
      signal,
    );
    const options = {
      persistent: true,
      type: markerType,
      messageId: member.#marker,
      timestamp: Date.now(),
    };
    const marker = { exchange: '', routingKey: queues.dead, body: Buffer.alloc(0), options };
    const [outcome] = await copies.send([marker], signal);
    if (outcome?.status === 'stored') return member;
    await member.close();
    if (signal.aborted) throw signal.reason as Error;
    throw outcome?.error ?? new BusError('DUOBUS_BUG', 'a publish had no outcome');
  }

  private constructor(context: MemberContext) {
    this.#context = context;
    this.copies = context.copies;
    this.signal = this.#closing.signal;
  }

  async receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    if (this.signal.aborted && this.#inbox.size === 0) {
      throw new BusError('DUOBUS_CLOSED', 'this list of dead letters is closed');
    }
    return this.#inbox.receive(signal);
  }

  async settle(batch: readonly Settlement[]): Promise<readonly Settled[]> {
    return settleBatch(batch, this);
  }

  async note(token: unknown, state: string): Promise<'moved' | 'lost'> {
    const lease = heldLease(token);
    if (lease === undefined) return 'lost';
    return move(lease, copyTo(this.#context.queues.dead, lease, state), this);
  }

  async release(): Promise<void> {
    await Promise.resolve(); // there are no partitions to release
  }

  /** Not cancelled in the broker: the next lister would begin without what is leased here. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.resolve();
  }

  async close(): Promise<void> {
    this.#finished = true;
    await this.#consumer?.close();
    this.#closing.abort(new BusError('DUOBUS_CLOSED', 'the list of dead letters was closed'));
  }

  async destination(lease: Lease, settlement: Settlement): Promise<Destination | undefined> {
    const { queues, delays } = this.#context;
    switch (settlement.verdict) {
      case 'again': {
        const partition = partitionOf(lease.message) ?? 0;
        const queue = await delays.queueFor(queues, settlement.delayMs, partition, this.signal);
        return copyTo(queue, lease, settlement.state);
      }
      case 'dead':
        return copyTo(queues.dead, lease, settlement.state);
      case 'back':
      case 'done':
        return undefined;
    }
  }

  removed(): void {
    // nothing is kept about a dead letter besides itself
  }

  /** It stays leased, and is a dead letter again when this list is closed. */
  failed(_lease: Lease, error: BusError): void {
    if (error.code === 'DUOBUS_UNAVAILABLE') this.#finish({ type: 'lost', error });
  }

  #deliver(leases: readonly Lease[]): void {
    if (this.#stopped || this.#finished) return;
    let records: Lease[] = [];
    const push = (): void => {
      if (records.length > 0) this.#inbox.push({ type: 'records', partition: 0, records });
      records = [];
    };
    for (const lease of leases) {
      if (lease.message.properties.type !== markerType) {
        records.push(lease);
        continue;
      }
      push();
      this.#passMarker(lease);
    }
    push();
    this.#handedOut += leases.length;
    if (this.#handedOut >= prefetch) this.#inbox.push({ type: 'idle' });
  }

  #passMarker(lease: Lease): void {
    const { messageId, timestamp } = lease.message.properties;
    const own = messageId === this.#marker;
    // that of another lister is needed by it: it comes to it when this list is closed
    if (own || Date.now() - (timestamp ?? 0) > staleMs) lease.consumer.ack([lease]);
    if (own) this.#inbox.push({ type: 'idle' });
  }

  #end(reason: Error | undefined, queue: string): void {
    if (this.#finished) return;
    void endOf(this.#context.connection, queue, reason).then((event) => this.#finish(event));
  }

  #finish(event: QueueEvent): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#inbox.discard((waiting) => waiting.type === 'records');
    this.#inbox.push(event);
    void this.close();
  }
}
