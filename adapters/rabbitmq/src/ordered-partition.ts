import { type BusError, Deque } from '@duobus/core/driver';
import { atMost } from './at-most.ts';
import { Consumer } from './consumer.ts';
import { decodeHandOver, encodeHandOver, type HandOver, partitionItself } from './hand-over.ts';
import type { Lease } from './lease.ts';
import { Lock, type Note } from './lock.ts';
import type { MemberContext } from './queue-member.ts';
import { handOvers, identityOf } from './record-codec.ts';

/** A state to be kept with a leased document. */
export interface Noted {
  readonly lease: Lease;
  readonly state: string;
}

/** What a partition tells its member. */
export interface PartitionEvents {
  /** The token is here: `own` it or `yield` it. */
  held(): void;
  /** Another member has come to wait. */
  wanted(): void;
  deliver(partition: number, records: Lease[]): void;
  end(reason: Error | undefined, queue: string): void;
}

/** waiting: in line for the token. held: has the token, to be decided on. owned: consumes. leaving: gives it back. */
export type PartitionState = 'waiting' | 'held' | 'owned' | 'revoking' | 'leaving';

const farewellMs = 1500;

/**
 * One partition as one member sees it. The main queue has a single active consumer as well: whatever happens to the
 * lock, two processes are never handed its documents at the same time.
 *
 * What the broker takes back it puts behind everything that it has taken back before, and hands out ahead of the rest.
 * The order holds because all that an owner has been handed goes back at once, with its channel, whether it closes or
 * dies; and because an owner always takes all that has come back: its prefetch is never below that of the owners before
 * it. So nothing goes back one by one and nothing is cancelled: what comes after `stop` stays here, unseen.
 */
export class OrderedPartition {
  readonly partition: number;
  state: PartitionState = 'leaving';
  readonly #context: MemberContext;
  readonly #credit: number;
  readonly #events: PartitionEvents;
  readonly #signal: AbortSignal;
  /** Delivered, to be handed on. */
  readonly #waiting = new Deque<Lease>();
  #lock: Lock | undefined;
  #consumer: Consumer | undefined;
  #taking: Promise<void> | undefined;
  #leaving: Promise<void> | undefined;
  /** What the owner before has left word of. */
  #before: HandOver | undefined;
  #prefetch: number;
  #stopped = false;
  /** How many documents are with the member. */
  #handedOn = 0;
  /** Something has been delivered, so that this consumer is the active one. */
  #active = false;

  constructor(
    partition: number,
    context: MemberContext,
    credit: number,
    events: PartitionEvents,
    signal: AbortSignal,
  ) {
    this.partition = partition;
    this.#context = context;
    this.#credit = credit;
    this.#prefetch = credit;
    this.#events = events;
    this.#signal = signal;
  }

  /** Goes to the end of the line. */
  async wait(): Promise<void> {
    this.state = 'waiting';
    const { connection, copies, queues } = this.#context;
    const queue = queues.lock(this.partition);
    const events = {
      held: (): void => {
        this.state = 'held';
        this.#events.held();
      },
      wanted: (): void => this.#events.wanted(),
      end: (reason: Error | undefined): void => this.#events.end(reason, queue),
    };
    const lock = await Lock.open(connection, copies, queue, events, this.#signal);
    if (this.#left()) await lock.close();
    else this.#lock = lock;
  }

  /** Lets the owner know that there is one more member. */
  async announce(): Promise<void> {
    await this.#lock?.announce();
  }

  /** Begins to consume. */
  async own(): Promise<void> {
    this.state = 'owned';
    this.#taking = this.#take();
    await this.#taking;
  }

  /** Hands everything back: documents first, so that the next owner finds them there. */
  leave(): Promise<void> {
    this.state = 'leaving';
    this.#leaving ??= this.#leave().finally(() => (this.#leaving = undefined));
    return this.#leaving;
  }

  /** Hands on no more documents; what is leased stays so. */
  stop(): void {
    this.#stopped = true;
  }

  async renew(): Promise<void> {
    if (this.state === 'owned' || this.state === 'revoking') await this.#lock?.renew();
  }

  /** Keeps states of leased documents. The error, if one could not be kept. */
  async note(wanted: readonly Noted[], givenBack = false): Promise<BusError | undefined> {
    const lock = this.#lock;
    if (lock === undefined) return undefined;
    const { notes, error } = await lock.write(
      wanted.map(({ lease, state }) => ({
        identity: identityOf(lease.message),
        state,
        handed: givenBack ? handOvers(lease.message) : undefined,
      })),
    );
    for (const [index, { lease }] of wanted.entries()) {
      this.#attach(lock, lease, notes[index]);
      if (givenBack && notes[index] !== undefined) lease.suspect = false;
    }
    return error;
  }

  /** The document is gone from its queue: what was kept about it goes too. */
  removed(lease: Lease): void {
    if (lease.note !== undefined) this.#lock?.forget(lease.note);
    lease.note = undefined;
    this.#handedOn -= 1;
    if (this.#waiting.size > 0) this.#handOn();
  }

  /** The member may have closed while a consumer was being opened. */
  #left(): boolean {
    return this.state === 'leaving';
  }

  #attach(lock: Lock, lease: Lease, note: Note | undefined): void {
    if (note === undefined) return;
    if (lease.settled) {
      lock.forget(note);
      return;
    }
    const old = lease.note;
    lease.note = note;
    if (old !== undefined) lock.forget(old);
  }

  async #take(): Promise<void> {
    const lock = this.#lock;
    if (lock === undefined) return;
    this.#stopped = false;
    this.#active = false;
    this.#handedOn = 0;
    const told = lock.inherit(partitionItself);
    this.#before = decodeHandOver(told?.state);
    this.#prefetch = Math.max(this.#credit, this.#before.prefetch);
    // from now on what comes back may be what a process has died of
    await this.#tell(lock, { prefetch: this.#prefetch, suspects: undefined });
    if (told !== undefined) lock.forget(told);
    if (this.#left()) return;
    const { connection, queues } = this.#context;
    const events = {
      deliver: (leases: Lease[]): void => this.#deliver(leases),
      end: (reason: Error | undefined, queue: string): void => this.#events.end(reason, queue),
    };
    const queue = queues.main(this.partition);
    const options = { prefetch: this.#prefetch, single: true };
    const consumer = await Consumer.open(connection, queue, options, events, this.#signal);
    if (this.#lock === lock) this.#consumer = consumer;
    else await consumer.close();
  }

  async #leave(): Promise<void> {
    if (this.#taking !== undefined) {
      await atMost(farewellMs, async () => this.#taking);
      await this.#takeLeave();
    }
    const [lock, consumer] = [this.#lock, this.#consumer];
    this.#taking = undefined;
    this.#lock = undefined;
    this.#consumer = undefined;
    await consumer?.close();
    await lock?.close();
    this.#waiting.clear();
  }

  /** Tells the next owner what it need not suspect. Without word from here it suspects everything. */
  async #takeLeave(): Promise<void> {
    const [lock, consumer, before] = [this.#lock, this.#consumer, this.#before];
    if (lock === undefined || before === undefined) return;
    if (consumer !== undefined && !(await consumer.catchUp())) return;
    const suspects =
      consumer !== undefined && this.#active
        ? new Set(consumer.unsettled.filter(({ suspect }) => suspect).map(identityOfLease))
        : before.suspects;
    await atMost(farewellMs, () => this.#tell(lock, { prefetch: this.#prefetch, suspects }));
  }

  async #tell(lock: Lock, handOver: HandOver): Promise<void> {
    const state = encodeHandOver(handOver);
    const { error } = await lock.write([{ identity: partitionItself, state, handed: undefined }]);
    if (error !== undefined) throw error;
  }

  #deliver(leases: Lease[]): void {
    const lock = this.#lock;
    if (lock === undefined) return;
    this.#active = true;
    for (const lease of leases) {
      lease.partition = this.partition;
      this.#recall(lock, lease);
      lease.suspect = lease.redelivered;
      this.#waiting.push(lease);
    }
    this.#handOn();
  }

  /** Finds what is known about a document that was handed out before. */
  #recall(lock: Lock, lease: Lease): void {
    if (!lease.redelivered) {
      // returned documents come first, in their old order
      if (lock.inherits) lock.forgetInherited();
      return;
    }
    const identity = identityOf(lease.message);
    const note = lock.inherit(identity);
    if (note !== undefined) {
      lease.note = note;
      lease.state = note.state;
    }
    const suspects = this.#before?.suspects;
    // given back, and nobody has been handed it since: it is as if stored anew with that state
    const unseen = note?.handed !== undefined && handOvers(lease.message) <= note.handed + 1;
    lease.redelivered = suspects === undefined ? !unseen : suspects.has(identity);
  }

  #handOn(): void {
    if (this.#stopped || this.state !== 'owned') return;
    const records: Lease[] = [];
    while (this.#handedOn < this.#credit) {
      const lease = this.#waiting.shift();
      if (lease === undefined) break;
      this.#handedOn += 1;
      records.push(lease);
    }
    if (records.length > 0) this.#events.deliver(this.partition, records);
  }
}

function identityOfLease({ message }: Lease): string {
  return identityOf(message);
}
