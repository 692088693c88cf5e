import type { BusError } from '@duobus/core/driver';
import { Consumer } from './consumer.ts';
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

/** One partition as one member sees it. The main queue has a single active consumer as well: whatever happens to the
 *  lock, two processes are never handed its documents at the same time. */
export class OrderedPartition {
  readonly partition: number;
  state: PartitionState = 'leaving';
  readonly #context: MemberContext;
  readonly #credit: number;
  readonly #events: PartitionEvents;
  readonly #signal: AbortSignal;
  #lock: Lock | undefined;
  #consumer: Consumer | undefined;

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
    const { connection, queues } = this.#context;
    const events = {
      deliver: (leases: Lease[]): void => this.#deliver(leases),
      end: (reason: Error | undefined, queue: string): void => this.#events.end(reason, queue),
    };
    const queue = queues.main(this.partition);
    const options = { prefetch: this.#credit, single: true };
    const consumer = await Consumer.open(connection, queue, options, events, this.#signal);
    if (this.#left()) await consumer.close();
    else this.#consumer = consumer;
  }

  /** Hands everything back: documents first, so that the next owner finds them there. */
  async leave(): Promise<void> {
    this.state = 'leaving';
    await this.#consumer?.close();
    await this.#lock?.close();
    this.#consumer = undefined;
    this.#lock = undefined;
  }

  /** No more documents; what is leased stays so. */
  async stop(): Promise<void> {
    await this.#consumer?.cancel();
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
    for (const [index, { lease }] of wanted.entries()) this.#attach(lock, lease, notes[index]);
    return error;
  }

  /** The document is gone from its queue: what was kept about it goes too. */
  removed(lease: Lease): void {
    if (lease.note !== undefined) this.#lock?.forget(lease.note);
    lease.note = undefined;
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

  #deliver(leases: Lease[]): void {
    const lock = this.#lock;
    if (lock === undefined) return;
    for (const lease of leases) lease.partition = this.partition;
    for (const lease of leases) {
      if (!lock.inherits) break;
      if (!lease.redelivered) {
        // returned documents come first, in their old order
        lock.forgetInherited();
        break;
      }
      const note = lock.inherit(identityOf(lease.message));
      if (note === undefined) continue;
      lease.note = note;
      lease.state = note.state;
      // nobody has been handed it since it was given back: it is as if stored anew with that state
      if (note.handed !== undefined && handOvers(lease.message) <= note.handed + 1)
        lease.redelivered = false;
    }
    this.#events.deliver(this.partition, leases);
  }
}
