import type { Bounds, LogRecord, Place } from '../driver.ts';
import type { ReaderEvents } from './cells-member.ts';

/** How far a partition has been read for its owner. */
export interface Reading {
  readonly partition: number;
  readonly token: number;
  /** `undefined` once retention has passed it. */
  next: Place | undefined;
  open: boolean;
  /** A fetch waits to be received: at most one does. */
  waiting: boolean;
}

/** Which partitions a member reads, and which of them are to be read on now: what readers of all drivers keep. */
export class Readings {
  readonly #events: ReaderEvents;
  readonly #look: (reading: Reading) => void;
  readonly #all = new Map<number, Reading>();

  /** `look` is called when a partition may have to be read on; `due` says whether it has. */
  constructor(events: ReaderEvents, look: (reading: Reading) => void) {
    this.#events = events;
    this.#look = look;
  }

  get all(): readonly Reading[] {
    return [...this.#all.values()];
  }

  get(partition: number): Reading | undefined {
    return this.#all.get(partition);
  }

  start(partition: number, token: number, place: Place): void {
    const reading = { partition, token, next: place, open: true, waiting: false };
    this.#all.set(partition, reading);
    this.#look(reading);
  }

  flow(partition: number, token: number, open: boolean): void {
    this.#change(partition, token, (reading) => (reading.open = open));
  }

  taken(partition: number, token: number): void {
    this.#change(partition, token, (reading) => (reading.waiting = false));
  }

  stop(partition: number): void {
    this.#all.delete(partition);
  }

  clear(): void {
    this.#all.clear();
  }

  /** Where to read on, if it is wanted. */
  due(reading: Reading): Place | undefined {
    return reading.open && !reading.waiting && this.#isCurrent(reading) ? reading.next : undefined;
  }

  /** What a read has found; of one that was stopped or started anew meanwhile nothing is handed out. */
  found(reading: Reading, records: readonly LogRecord[], next: Place): void {
    if (!this.#isCurrent(reading)) return;
    reading.next = next;
    if (records.length === 0) return;
    reading.waiting = true;
    this.#events.records(reading.partition, reading.token, records);
  }

  /** What was to be read next is not there any more: it stands until it is started again. */
  trimmed(reading: Reading, bounds: Bounds): void {
    if (!this.#isCurrent(reading)) return;
    reading.next = undefined;
    this.#events.trimmed(reading.partition, reading.token, bounds);
  }

  #isCurrent(reading: Reading): boolean {
    return this.#all.get(reading.partition) === reading;
  }

  #change(partition: number, token: number, change: (reading: Reading) => void): void {
    const reading = this.#all.get(partition);
    if (reading?.token !== token) return;
    change(reading);
    this.#look(reading);
  }
}
