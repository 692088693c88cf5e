import { Deque } from '@duobus/core/driver';
import type { AmqpChannel } from './client.ts';
import { atMost } from './at-most.ts';
import type { Connection } from './connection.ts';
import { Lease } from './lease.ts';
import { classify } from './native-errors.ts';

export interface ConsumerEvents {
  /** Everything that one turn of the socket has brought. */
  deliver(leases: Lease[]): void;
  /** The broker or the connection ended it. Not called after `close`. */
  end(reason: Error | undefined, queue: string): void;
}

const farewellMs = 1500;

/** Time for the last acknowledgements to reach a busy broker. */
const settlingMs = 5000;

/**
 * A quorum queue takes so many acknowledgements of a channel at a time (rabbit_fifo_client: SOFT_LIMIT is 32), holds
 * back more, and forgets those when the channel closes. Subscribing and cancelling wait for all that came before.
 */
const pendingAcks = 30;
/** Of these, so many are sent at once after `cancel`; the rest is for `close`, which needs few. */
const promptAcks = 16;

export interface ConsumerOptions {
  readonly prefetch: number;
  /** The queue has a single active consumer. */
  readonly single?: boolean;
}

/** One queue consumed on a channel of its own, since a multiple acknowledgement spans the whole channel. */
export class Consumer {
  readonly queue: string;
  readonly #events: ConsumerEvents;
  readonly #prefetch: number;
  readonly #single: boolean;
  #channel: AmqpChannel | undefined;
  #tag: string | undefined;
  #ended = false;
  #cancelled = false;
  /** Acknowledgements sent since the broker was last known to have taken all of them. */
  #acks = 0;
  /** Settled after `cancel`, not acknowledged yet. */
  #late: Lease[] = [];
  #closing: Promise<void> | undefined;
  #burst: Lease[] = [];
  /** In order of delivery. What is settled in front is dropped at once: a record is to live as short as it can. */
  readonly #unsettled = new Deque<Lease>();

  /** @throws BusError DUOBUS_NOT_FOUND when there is no such queue. */
  static async open(
    connection: Connection,
    queue: string,
    options: ConsumerOptions,
    events: ConsumerEvents,
    signal: AbortSignal,
  ): Promise<Consumer> {
    const consumer = new Consumer(queue, options, events);
    await consumer.#open(connection, signal);
    return consumer;
  }

  private constructor(queue: string, options: ConsumerOptions, events: ConsumerEvents) {
    this.queue = queue;
    this.#prefetch = Math.min(options.prefetch, 65_535);
    this.#single = options.single === true;
    this.#events = events;
  }

  get alive(): boolean {
    return !this.#ended;
  }

  /** In order of delivery. */
  get unsettled(): readonly Lease[] {
    return [...this.#unsettled].filter((lease) => !lease.settled);
  }

  async #open(connection: Connection, signal: AbortSignal): Promise<void> {
    const channel = await connection.channel((reason) => this.#end(reason), signal);
    this.#channel = channel;
    try {
      await connection.during(channel.prefetch(this.#prefetch, false), signal);
      const consuming = channel.consume(this.queue, (message) => {
        if (message === null) this.#end(undefined);
        else this.#push(new Lease(message, this));
      });
      this.#tag = (await connection.during(consuming, signal)).consumerTag;
    } catch (error) {
      await this.close();
      if (signal.aborted && error === signal.reason) throw error;
      throw classify(error, `consume queue '${this.queue}'`);
    }
  }

  #push(lease: Lease): void {
    if (this.#ended) return;
    this.#unsettled.push(lease);
    // one socket turn delivers all its messages before any microtask runs
    if (this.#burst.length === 0) queueMicrotask(() => this.#flush());
    this.#burst.push(lease);
  }

  #flush(): void {
    if (this.#burst.length === 0 || this.#ended) return;
    const burst = this.#burst;
    this.#burst = [];
    this.#events.deliver(burst);
  }

  /** Removes them from the queue: in front with one acknowledgement, others one by one. */
  ack(leases: readonly Lease[]): void {
    const channel = this.#usable();
    for (const lease of leases) lease.settled = true;
    const { rest, last } = this.#inFront(leases);
    if (last !== undefined) {
      this.#ackOne(channel, last, true);
      if (this.#late.length > 0) this.#late = this.#late.filter(({ tag }) => tag > last.tag);
    }
    for (const lease of rest) {
      if (this.#cancelled && this.#acks >= promptAcks) this.#late.push(lease);
      else this.#ackOne(channel, lease, false);
    }
  }

  /** Which of these one acknowledgement of all before can cover, and which not. */
  #inFront(leases: readonly Lease[]): { rest: readonly Lease[]; last: Lease | undefined } {
    const settledUpTo = this.#advance();
    const rest: Lease[] = [];
    // the broker accepts only a tag that it still has
    let last: Lease | undefined;
    for (const lease of leases) {
      if (lease.tag > settledUpTo) rest.push(lease);
      else if (last === undefined || lease.tag > last.tag) last = lease;
    }
    return { rest, last };
  }

  #ackOne(channel: AmqpChannel, lease: Lease, allUpTo: boolean): void {
    this.#acks += 1;
    channel.ack(lease.message as never, allUpTo);
  }

  /** Puts it back into the queue, at the front. */
  requeue(lease: Lease): void {
    lease.settled = true;
    this.#usable().nack(lease.message as never, false, true);
    this.#advance();
  }

  /**
   * No more deliveries; what is leased stays so. Not where order counts: what the broker was just handing out goes back
   * at once, and is then ahead of what is leased.
   */
  async cancel(): Promise<void> {
    const tag = this.#tag;
    if (tag === undefined || this.#cancelled || this.#ended) return;
    await atMost(settlingMs, async () => this.#channel?.cancel(tag));
    this.#cancelled = true;
    this.#acks = 0;
    this.#flush();
  }

  /**
   * Single active consumer only: true once the broker has taken every acknowledgement and, if this consumer was active
   * before, everything that had been returned to the queue until then has been delivered.
   */
  async catchUp(): Promise<boolean> {
    let caughtUp = false;
    await atMost(settlingMs, async () => {
      const channel = this.#channel;
      if (this.#ended || channel === undefined) return;
      await this.#standBehind(channel);
      // answered by the channel itself, after the deliveries that it had by then
      await channel.prefetch(this.#prefetch, false);
      caughtUp = true;
    });
    if (!caughtUp) this.#acks = 0; // a broker that has not answered now is not asked again at the end
    return caughtUp && this.alive;
  }

  /** Everything unsettled goes back to the queue, in its order. Idempotent. */
  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    const alive = !this.#ended;
    this.#ended = true;
    this.#closing = this.#close(alive);
    return this.#closing;
  }

  async #close(alive: boolean): Promise<void> {
    if (alive) await atMost(settlingMs, () => this.#finishAcks());
    await atMost(farewellMs, async () => this.#channel?.close());
  }

  /** Returns when all acknowledgements will outlive the channel. */
  async #finishAcks(): Promise<void> {
    const channel = this.#channel;
    if (channel === undefined || this.#tag === undefined) return;
    if (this.#cancelled) await this.#sendLate(channel);
    else if (this.#acks > 0) {
      if (this.#single) await this.#standBehind(channel);
      else await channel.cancel(this.#tag);
    }
  }

  /** In line behind this very consumer the second one is handed nothing. */
  async #standBehind(channel: AmqpChannel): Promise<void> {
    const sent = this.#acks;
    await channel.consume(this.queue, () => undefined);
    this.#acks -= sent;
  }

  /** In order of delivery, what is open goes back and what is done goes away: few requests cover all. */
  async #sendLate(channel: AmqpChannel): Promise<void> {
    const late = new Set(this.#late);
    if (late.size === 0) return;
    const open = [...this.#unsettled].filter((lease) => !lease.settled);
    const all = [...late, ...open].toSorted((a, b) => a.tag - b.tag);
    for (const [index, lease] of all.entries()) {
      const next = all[index + 1];
      const done = late.has(lease);
      if (next !== undefined && late.has(next) === done) continue;
      if (next === undefined && !done) return; // closing gives back what is left
      if (this.#acks >= pendingAcks) await this.#takeAcks(channel);
      if (done) this.#ackOne(channel, lease, true);
      else channel.nack(lease.message as never, true, true);
      if (!done) this.#acks += 1;
    }
  }

  /** Waits until the broker has taken every acknowledgement. */
  async #takeAcks(channel: AmqpChannel): Promise<void> {
    await channel.prefetch(1, false);
    const { consumerTag } = await channel.consume(this.queue, () => undefined);
    await channel.cancel(consumerTag);
    this.#acks = 0;
  }

  #usable(): AmqpChannel {
    if (this.#channel === undefined || this.#ended)
      throw classify(undefined, `settle in '${this.queue}'`);
    return this.#channel;
  }

  #end(reason: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#closing ??= atMost(farewellMs, async () => this.#channel?.close());
    this.#unsettled.clear();
    this.#events.end(reason, this.queue);
  }

  /** The tag up to which everything is settled. */
  #advance(): number {
    const queue = this.#unsettled;
    while (queue.peek()?.settled === true) queue.shift();
    const next = queue.peek();
    const upTo = next === undefined ? Number.POSITIVE_INFINITY : next.tag - 1;
    // a slow one in front must not make this grow without bound
    if (queue.size > 2 * this.#prefetch + 64) queue.take((lease) => lease.settled);
    return upTo;
  }
}
