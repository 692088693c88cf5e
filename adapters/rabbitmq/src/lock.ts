import { randomUUID } from 'node:crypto';
import { BusError, type Outcome } from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { Consumer } from './consumer.ts';
import type { Lease } from './lease.ts';
import type { Publisher, Sending } from './publisher.ts';

const tokenType = 'duobus.token';
const barrierType = 'duobus.barrier';
const noteType = 'duobus.note';

/** What is held here for long: a token, and a note for each document that is being retried. */
const prefetch = 65_535;

/** What is kept about one document until it is settled. */
export interface Note {
  readonly identity: string;
  readonly state: string;
  readonly sequence: number;
  /** Given back unhandled by who had been handed it for the so-and-so-manieth time. */
  readonly handed: number | undefined;
  /** The message that holds it, once the broker has handed it back. */
  held: Lease | undefined;
  /** No longer needed: removed as soon as it can be. */
  forgotten: boolean;
}

export interface LockEvents {
  /** This process owns the partition and knows all notes about it. */
  held(): void;
  /** Somebody else has come to wait for it. */
  wanted(): void;
  /** The queue cannot be consumed any more, or says what cannot be understood. */
  end(reason: Error | undefined, queue: string): void;
}

/**
 * Ownership of one partition. Its queue has a single active consumer and holds a token: who is handed the token is the
 * owner. The notes of the owner lie in the same queue and stay unacknowledged, so that whoever owns it next is handed
 * exactly what is outstanding.
 */
export class Lock {
  readonly #copies: Publisher;
  readonly #queue: string;
  readonly #events: LockEvents;
  readonly #signal: AbortSignal;
  #consumer: Consumer | undefined;
  #token: Lease | undefined;
  #barrier: string | undefined;
  #loaded = false;
  #sequence = 0;
  /** Notes of earlier owners whose document has not come yet. */
  readonly #inherited = new Map<string, Note>();
  /** Our own notes by message id, until the broker hands them to us. */
  readonly #underway = new Map<string, Note>();
  /** Everything that is unacknowledged and still needed. */
  readonly #notes = new Set<Note>();

  /** Waits in line for the partition. */
  static async open(
    connection: Connection,
    copies: Publisher,
    queue: string,
    events: LockEvents,
    signal: AbortSignal,
  ): Promise<Lock> {
    const lock = new Lock(copies, queue, events, signal);
    lock.#consumer = await Consumer.open(
      connection,
      queue,
      { prefetch, single: true },
      {
        deliver: (leases) => lock.#deliver(leases),
        end: (reason) => events.end(reason, queue),
      },
      signal,
    );
    return lock;
  }

  private constructor(copies: Publisher, queue: string, events: LockEvents, signal: AbortSignal) {
    this.#copies = copies;
    this.#queue = queue;
    this.#events = events;
    this.#signal = signal;
  }

  /** Tells the owner that somebody waits, with a token more: it removes all but one, but there might be none. */
  async announce(): Promise<void> {
    await this.#publishOrThrow(this.#sending(tokenType, randomUUID(), ''));
  }

  /** Takes the note of an earlier owner about this document, if there is one. */
  inherit(identity: string): Note | undefined {
    const note = this.#inherited.get(identity);
    if (note !== undefined) this.#inherited.delete(identity);
    return note;
  }

  get inherits(): boolean {
    return this.#inherited.size > 0;
  }

  /** Documents that were never handed out follow: what is left is about documents that were settled. */
  forgetInherited(): void {
    for (const note of this.#inherited.values()) this.forget(note);
    this.#inherited.clear();
  }

  /** Stores notes. Where it fails, `undefined`, and the error of the last one that failed. */
  async write(wanted: readonly Pick<Note, 'identity' | 'state' | 'handed'>[]): Promise<{
    readonly notes: readonly (Note | undefined)[];
    readonly error: BusError | undefined;
  }> {
    const ids = wanted.map(() => randomUUID());
    const notes = wanted.map(({ identity, state, handed }): Note => {
      this.#sequence += 1;
      const sequence = this.#sequence;
      return { identity, state, handed, sequence, held: undefined, forgotten: false };
    });
    for (const [index, note] of notes.entries()) this.#underway.set(ids[index] as string, note);
    const sendings = notes.map(({ identity, state, sequence, handed }, index) => {
      const text = JSON.stringify({ v: 1, identity, state, sequence, handed });
      return this.#sending(noteType, ids[index] as string, text);
    });
    const outcomes = await this.#copies.send(sendings, this.#signal);
    return {
      notes: notes.map((note, index) =>
        this.#confirmed(note, ids[index] as string, outcomes[index]),
      ),
      error: outcomes.map(errorOf).findLast((error) => error !== undefined),
    };
  }

  /** Removes a note. */
  forget(note: Note): void {
    note.forgotten = true;
    this.#notes.delete(note);
    if (note.held?.held === true) note.held.consumer.ack([note.held]);
  }

  /** Puts anew what has been held for long: the broker ends consumers that hold a message for too long. */
  async renew(): Promise<void> {
    if (this.#token === undefined) return;
    await this.announce();
    const notes = [...this.#notes].filter((note) => note.held !== undefined);
    const { notes: copies, error } = await this.write(notes);
    if (error !== undefined) throw error;
    for (const [index, note] of notes.entries()) this.#replace(note, copies[index]);
  }

  async close(): Promise<void> {
    await this.#consumer?.close();
  }

  /** The old message goes, the note stays the same for those who hold it. */
  #replace(note: Note, copy: Note | undefined): void {
    if (copy === undefined) return;
    if (note.forgotten) {
      this.forget(copy);
      return;
    }
    const old = note.held;
    note.held = copy.held;
    this.#notes.delete(copy);
    if (copy.held === undefined) {
      for (const [id, underway] of this.#underway)
        if (underway === copy) this.#underway.set(id, note);
    }
    if (old?.held === true) old.consumer.ack([old]);
  }

  #confirmed(note: Note, id: string, outcome: Outcome | undefined): Note | undefined {
    if (outcome?.status === 'stored') {
      this.#notes.add(note);
      return note;
    }
    // it may come all the same: then it is not wanted
    note.forgotten = true;
    if (outcome?.status === 'rejected') this.#underway.delete(id);
    return undefined;
  }

  #deliver(leases: readonly Lease[]): void {
    const unneeded: Lease[] = [];
    for (const lease of leases) {
      const { type, messageId } = lease.message.properties;
      if (type === tokenType) this.#takeToken(lease, unneeded);
      else if (type === barrierType) this.#passBarrier(lease, unneeded);
      else if (type === noteType) this.#takeNote(lease, messageId ?? '', unneeded);
      else unneeded.push(lease);
    }
    const consumer = leases[0]?.consumer;
    if (unneeded.length > 0 && consumer?.alive === true) consumer.ack(unneeded);
  }

  #takeToken(lease: Lease, unneeded: Lease[]): void {
    if (this.#token !== undefined) unneeded.push(this.#token);
    const first = this.#token === undefined;
    this.#token = lease;
    if (!first) {
      this.#events.wanted();
      return;
    }
    // the queue hands out in order: once this comes back, all notes have come
    this.#barrier = randomUUID();
    this.#publishOrThrow(this.#sending(barrierType, this.#barrier, '')).catch((error: Error) => {
      if (!this.#signal.aborted) this.#events.end(error, this.#queue);
    });
  }

  #passBarrier(lease: Lease, unneeded: Lease[]): void {
    unneeded.push(lease);
    if (lease.message.properties.messageId !== this.#barrier) return;
    this.#barrier = undefined;
    this.#loaded = true;
    this.#events.held();
  }

  #takeNote(lease: Lease, id: string, unneeded: Lease[]): void {
    const own = this.#underway.get(id);
    if (own !== undefined) {
      this.#underway.delete(id);
      own.held = lease;
      if (own.forgotten) unneeded.push(lease);
      return;
    }
    // a former owner that has not noticed yet: what it says is about documents that are ours now
    if (this.#loaded) {
      unneeded.push(lease);
      return;
    }
    const note = parse(lease);
    if (note === undefined) {
      this.#events.end(
        new BusError(
          'DUOBUS_DECODE',
          `queue '${this.#queue}' holds a note of an unknown version: upgrade this process`,
        ),
        this.#queue,
      );
      return;
    }
    this.#sequence = Math.max(this.#sequence, note.sequence);
    const known = this.#inherited.get(note.identity);
    if (known !== undefined && known.sequence > note.sequence) {
      unneeded.push(lease);
      return;
    }
    if (known?.held !== undefined) unneeded.push(known.held);
    if (known !== undefined) this.#notes.delete(known);
    this.#inherited.set(note.identity, note);
    this.#notes.add(note);
  }

  #sending(type: string, messageId: string, text: string): Sending {
    const options = { persistent: true, type, messageId };
    return { exchange: '', routingKey: this.#queue, body: Buffer.from(text), options };
  }

  async #publishOrThrow(sending: Sending): Promise<void> {
    const [outcome] = await this.#copies.send([sending], this.#signal);
    const error = errorOf(outcome);
    if (error !== undefined) throw error;
  }
}

function errorOf(outcome: Outcome | undefined): BusError | undefined {
  return outcome === undefined || outcome.status === 'stored' ? undefined : outcome.error;
}

function parse(lease: Lease): Note | undefined {
  try {
    const stored = JSON.parse(lease.message.content.toString()) as Record<string, unknown>;
    const { v, identity, state, sequence, handed } = stored;
    if (v !== 1 || typeof identity !== 'string' || typeof state !== 'string') return undefined;
    if (typeof sequence !== 'number' || !Number.isSafeInteger(sequence)) return undefined;
    const times = typeof handed === 'number' ? handed : undefined;
    return { identity, state, sequence, handed: times, held: lease, forgotten: false };
  } catch {
    return undefined; // told by the caller
  }
}
