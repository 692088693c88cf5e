import type { BusError } from '@duobus/core/driver';
import { readScript } from './event-scripts.ts';
import { type Entry, type Hold, type Kind, Lease } from './queue-lease.ts';
import { Portion } from './queue-portion.ts';
import type { Scope } from './queue-scope.ts';

export interface IntakeEvents {
  records(partition: number, records: readonly Lease[]): void;
  /** The member, or its ownership, is over; or the subscription is. */
  ended(status: 'gone' | 'lost', partition: number): void;
  failed(error: BusError): void;
}

const gatherMs = 5;

type Parked = readonly [kind: Buffer, mark: Buffer, state: Buffer | null, entry: Entry];

/** Reads one partition for one member, as far as its credit goes: when there is nothing more it rests until it is rung. */
export class Intake implements Hold {
  readonly partition: number;
  readonly token: string;
  readonly #scope: Scope;
  readonly #member: string;
  readonly #credit: number;
  readonly #events: IntakeEvents;
  #held = 0;
  /** There may be something to read. */
  #rung = true;
  #reading: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #gathering: NodeJS.Timeout | undefined;
  #stopped = false;
  readonly #portion = new Portion();

  constructor(
    scope: Scope,
    hold: Pick<Hold, 'partition' | 'token'>,
    member: string,
    credit: number,
    events: IntakeEvents,
  ) {
    this.#scope = scope;
    this.partition = hold.partition;
    this.token = hold.token;
    this.#member = member;
    this.#credit = credit;
    this.#events = events;
  }

  start(): void {
    this.ring();
  }

  ring(): void {
    this.#rung = true;
    this.#pump();
  }

  freed(count: number): void {
    this.#held -= count;
    this.#pump();
  }

  /** Reads no more. Resolves when what was under way has come. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#gathering);
    await this.#reading;
  }

  /** Small reads cost as much as large ones: it waits for a moment until a quarter of the credit is free. */
  #pump(): void {
    if (this.#stopped || !this.#rung || this.#reading !== undefined) return;
    const free = this.#credit - this.#held;
    if (free >= this.#credit / 4) this.#readNow(free);
    else if (free > 0) this.#gathering ??= setTimeout(() => this.#gathered(), gatherMs);
  }

  #gathered(): void {
    this.#gathering = undefined;
    const free = this.#credit - this.#held;
    if (free > 0 && this.#rung && this.#reading === undefined && !this.#stopped)
      this.#readNow(free);
  }

  #readNow(free: number): void {
    this.#rung = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#reading = this.#read(Math.min(free, this.#portion.records))
      .catch((error: unknown) => {
        this.#stopped = true;
        this.#events.failed(error as BusError);
      })
      .finally(() => {
        this.#reading = undefined;
        this.#pump();
      });
  }

  async #read(count: number): Promise<void> {
    const { partition, token } = this;
    const { status, values } = await this.#scope.runBuffer(
      readScript,
      [partition, token, this.#member, count],
      'read',
    );
    if (status !== 'ok') {
      this.#stopped = true;
      this.#events.ended(status, partition);
      return;
    }
    const [waitMs, parked, fresh] = values as [number, readonly Parked[], readonly Entry[]];
    const records = [
      ...parked.map((each) => this.#parked(each)),
      ...fresh.map((entry) => new Lease(this, 'l', entry, false)),
    ];
    if (records.length >= count) this.#rung = true;
    else if (waitMs >= 0) this.#ringIn(waitMs);
    if (records.length === 0) return;
    this.#held += records.length;
    this.#portion.weigh(records);
    this.#events.records(partition, records);
  }

  #parked([kind, mark, state, entry]: Parked): Lease {
    const which = kind.toString('latin1') as Kind;
    return new Lease(this, which, entry, mark.length > 0, state?.toString());
  }

  #ringIn(ms: number): void {
    if (this.#stopped) return;
    // not more than a timer can take; it looks again then
    this.#timer = setTimeout(() => this.ring(), Math.min(ms, 2 ** 31 - 1));
    this.#timer.unref();
  }
}
