import {
  BusError,
  Inbox,
  type QueueEvent,
  type QueueMember,
  type Settlement,
} from '@duobus/core/driver';
import { atMost } from './at-most.ts';
import type { AmqpChannel } from './client.ts';
import { Consumer } from './consumer.ts';
import { surplus } from './fair-share.ts';
import { HeadCount } from './head-count.ts';
import type { Lease } from './lease.ts';
import { endOf } from './member-end.ts';
import { classify } from './native-errors.ts';
import { type Noted, OrderedPartition } from './ordered-partition.ts';
import type { Publisher } from './publisher.ts';
import type { MemberContext } from './queue-member.ts';
import {
  copyTo,
  type Destination,
  heldLease,
  settleBatch,
  type Settled,
  type Settling,
} from './settle.ts';

/** How often a member looks whether others have come or gone, or partitions were added. */
const lookMs = 2000;
/** A partition that was given up is waited for again after this long, so that others are first in line. */
const returnMs = 100;
const farewellMs = 1500;
/** The runtime may take its time: nobody takes the partition away from it. */
const revokeMs = 60_000;

export interface OrderedOptions {
  readonly credit: number;
  readonly consumerTimeoutMs: number;
  /** How many partitions the topic has now. */
  partitions(signal: AbortSignal): Promise<number>;
}

/** A consumer of a subscription with order by key: owns its share of the partitions. */
export class OrderedMember implements QueueMember, Settling {
  readonly copies: Publisher;
  readonly signal: AbortSignal;
  readonly #context: MemberContext;
  readonly #options: OrderedOptions;
  readonly #inbox = new Inbox<QueueEvent>();
  readonly #closing = new AbortController();
  readonly #partitions = new Map<number, OrderedPartition>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #heads = new HeadCount();
  #membership: Consumer | undefined;
  #control: AmqpChannel | undefined;
  #sharing: Promise<void> | undefined;
  #shareAgain = false;
  #renewedAt = Date.now();
  #stopped = false;
  #over = false;
  #finished = false;

  static async open(
    context: MemberContext,
    options: OrderedOptions,
    signal: AbortSignal,
  ): Promise<OrderedMember> {
    const member = new OrderedMember(context, options);
    try {
      await member.#open(signal);
    } catch (error) {
      await member.close();
      throw error;
    }
    return member;
  }

  private constructor(context: MemberContext, options: OrderedOptions) {
    this.#context = context;
    this.#options = options;
    this.copies = context.copies;
    this.signal = this.#closing.signal;
  }

  async receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    if (this.signal.aborted && this.#inbox.size === 0) throw closed();
    const events = await this.#inbox.receive(signal);
    for (const event of events) {
      if (event.type !== 'records') continue;
      for (const lease of event.records) (lease as Lease).suspect = true;
    }
    return events;
  }

  async settle(batch: readonly Settlement[]): Promise<readonly Settled[]> {
    if (!batch.some(({ verdict }) => verdict === 'back')) return settleBatch(batch, this);
    const others = batch.filter(({ verdict }) => verdict !== 'back');
    const [given, settled] = await Promise.all([this.#giveBack(batch), settleBatch(others, this)]);
    let next = 0;
    return batch.map((settlement) => {
      if (settlement.verdict === 'back') return given.has(settlement.token) ? 'settled' : 'lost';
      next += 1;
      return settled[next - 1] ?? 'lost';
    });
  }

  async note(token: unknown, state: string): Promise<'kept' | 'lost'> {
    const lease = heldLease(token);
    if (lease === undefined) return 'lost';
    const error = await this.#partitionOf(lease)?.note([{ lease, state }]);
    if (error !== undefined) this.failed(lease, error);
    return error === undefined && lease.held ? 'kept' : 'lost';
  }

  async release(partition: number): Promise<void> {
    const released = this.#partitions.get(partition);
    if (released === undefined || this.#over) return;
    await this.#yield(released);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#sharing?.catch(() => undefined); // reported where it was started
    for (const partition of this.#partitions.values()) partition.stop();
  }

  async close(): Promise<void> {
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    await Promise.all([...this.#partitions.values()].map((partition) => partition.leave()));
    await this.#membership?.close();
    await atMost(farewellMs, async () => this.#control?.close());
    this.#closing.abort(closed());
  }

  async destination(lease: Lease, settlement: Settlement): Promise<Destination | undefined> {
    const { queues, delays } = this.#context;
    const partition = this.#partitionOf(lease)?.partition ?? 0;
    switch (settlement.verdict) {
      case 'again': {
        const queue = await delays.queueFor(queues, settlement.delayMs, partition, this.signal);
        return copyTo(queue, lease, settlement.state);
      }
      case 'dead':
        return copyTo(queues.dead, lease, settlement.state, partition);
      case 'back':
      case 'done':
        return undefined;
    }
  }

  removed(lease: Lease): void {
    this.#partitionOf(lease)?.removed(lease);
  }

  /** Where order counts a record cannot go back alone: the partition starts anew. */
  failed(_lease: Lease, error: BusError): void {
    const lost =
      error.code === 'DUOBUS_UNAVAILABLE'
        ? error
        : new BusError('DUOBUS_UNAVAILABLE', error.message, { cause: error, retryable: true });
    this.#finish({ type: 'lost', error: lost });
  }

  async #open(signal: AbortSignal): Promise<void> {
    const { connection, queues } = this.#context;
    const end = (reason: Error | undefined, queue: string): void => this.#end(reason, queue);
    const both = AbortSignal.any([signal, this.signal]);
    this.#control = await connection.channel((reason) => end(reason, queues.members), signal);
    const added = await this.#addPartitions(both);
    // counted as a member only once it stands in every line
    this.#membership = await Consumer.open(
      connection,
      queues.members,
      { prefetch: 1 },
      { deliver: () => undefined, end },
      signal,
    );
    await Promise.all(added.map((partition) => partition.announce()));
    await this.#share();
    this.#every(Math.min(lookMs, this.#options.consumerTimeoutMs / 6), () => this.#look());
  }

  /** Stands in line for partitions that it does not know yet. */
  async #addPartitions(signal: AbortSignal): Promise<readonly OrderedPartition[]> {
    const count = await this.#options.partitions(signal);
    const added: OrderedPartition[] = [];
    for (let partition = this.#partitions.size; partition < count; partition += 1) {
      added.push(this.#newPartition(partition));
    }
    for (const partition of added) this.#partitions.set(partition.partition, partition);
    await Promise.all(added.map((partition) => partition.wait()));
    return added;
  }

  #newPartition(partition: number): OrderedPartition {
    const events = {
      held: (): void => this.#shareSoon(),
      wanted: (): void => this.#shareSoon(),
      deliver: (index: number, records: Lease[]): void => {
        if (!this.#over) this.#inbox.push({ type: 'records', partition: index, records });
      },
      end: (reason: Error | undefined, queue: string): void => this.#end(reason, queue),
    };
    return new OrderedPartition(
      partition,
      this.#context,
      this.#options.credit,
      events,
      this.signal,
    );
  }

  /** Decides on what is held and gives up what is too much, one look at a time. */
  async #share(): Promise<void> {
    if (this.#sharing !== undefined) {
      this.#shareAgain = true;
      return this.#sharing;
    }
    this.#sharing = this.#shareOnce().finally(() => (this.#sharing = undefined));
    await this.#sharing;
    if (!this.#shareAgain) return;
    this.#shareAgain = false;
    await this.#share();
  }

  async #shareOnce(): Promise<void> {
    if (
      this.#membership === undefined ||
      this.#control === undefined ||
      this.#stopped ||
      this.#over
    )
      return;
    const { queues, connection } = this.#context;
    const counting = this.#control.checkQueue(queues.members);
    const { consumerCount } = await connection.during(counting, this.signal);
    if (this.#stopped || this.#over) return;
    const all = [...this.#partitions.values()];
    const owned = all.filter(({ state }) => state === 'owned');
    const held = all.filter(({ state }) => state === 'held');
    const numbers = (some: readonly OrderedPartition[]): readonly number[] =>
      some.map(({ partition }) => partition);
    const members = this.#heads.present(consumerCount, numbers(held), Date.now());
    const mine = numbers([...owned, ...held]);
    const tooMany = new Set(surplus(mine, this.#partitions.size, members));
    for (const each of owned) if (tooMany.has(each.partition)) this.#revoke(each);
    for (const { partition } of held)
      if (tooMany.has(partition)) this.#heads.refused(partition, Date.now());
    await Promise.all(
      held.map((each) => (tooMany.has(each.partition) ? this.#yield(each) : this.#own(each))),
    );
  }

  async #own(partition: OrderedPartition): Promise<void> {
    this.#inbox.push({ type: 'assigned', partition: partition.partition });
    await partition.own();
  }

  #revoke(partition: OrderedPartition): void {
    partition.state = 'revoking';
    this.#inbox.push({
      type: 'revoking',
      partition: partition.partition,
      withinMs: revokeMs,
    });
    // what came now would be taken by the next owner for something that a process has died of
    partition.stop();
  }

  async #yield(partition: OrderedPartition): Promise<void> {
    await partition.leave();
    this.#inbox.discard(
      (event) => event.type === 'records' && event.partition === partition.partition,
    );
    if (this.#stopped || this.#over) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#over) partition.wait().catch((error: unknown) => this.#broken(error));
    }, returnMs).unref();
    this.#timers.add(timer);
  }

  #shareSoon(): void {
    this.#share().catch((error: unknown) => this.#broken(error));
  }

  async #look(): Promise<void> {
    if (this.#stopped) return;
    const added = await this.#addPartitions(this.signal);
    await Promise.all(added.map((partition) => partition.announce()));
    await this.#share();
    if (Date.now() - this.#renewedAt < this.#options.consumerTimeoutMs / 3) return;
    this.#renewedAt = Date.now();
    await Promise.all([...this.#partitions.values()].map((partition) => partition.renew()));
  }

  /** Runs again only after the last run is over. */
  #every(ms: number, work: () => Promise<void>): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (this.#over) return;
      work().then(
        () => this.#over || this.#every(ms, work),
        (error: unknown) => this.#broken(error),
      );
    }, ms).unref();
    this.#timers.add(timer);
  }

  async #giveBack(batch: readonly Settlement[]): Promise<ReadonlySet<unknown>> {
    const byPartition = new Map<OrderedPartition, Noted[]>();
    for (const settlement of batch) {
      const lease = heldLease(settlement.token);
      if (lease === undefined || settlement.verdict !== 'back') continue;
      const partition = this.#partitionOf(lease);
      if (partition === undefined) continue;
      const list = byPartition.get(partition) ?? [];
      list.push({ lease, state: settlement.state });
      byPartition.set(partition, list);
    }
    // they return in their order when the partition is left; if this cannot be noted, as if after a crash
    await Promise.all([...byPartition].map(([partition, backs]) => partition.note(backs, true)));
    return new Set(
      [...byPartition.values()]
        .flat()
        .filter(({ lease }) => lease.held)
        .map(({ lease }) => lease),
    );
  }

  #partitionOf(lease: Lease): OrderedPartition | undefined {
    return lease.partition === undefined ? undefined : this.#partitions.get(lease.partition);
  }

  #broken(error: unknown): void {
    if (this.#over) return;
    const { members } = this.#context.queues;
    this.#end(classify(error), members);
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
}

function closed(): BusError {
  return new BusError('DUOBUS_CLOSED', 'this consumer is closed');
}
