import {
  BusError,
  type Bounds,
  type LogRecord,
  type OutboundRecord,
  type Place,
  type ReadResult,
  type StoredTopic,
} from '@duobus/core/driver';
import { copy, type Stored, store } from './stored.ts';

interface Kept {
  readonly offset: number;
  readonly stored: Stored;
}

const tombstonesMs = 86_400_000;
const compactAfter = 128;
const maxRecords = 500;

/** One partition of a topic: records in order, dropped by retention or compaction, never by reading. */
export class PartitionLog {
  readonly #held: (bytes: number) => void;
  #records: Kept[] = [];
  #start = 0;
  #end = 0;
  #bytes = 0;
  #lastTime = 0;
  /** Compacted topics: offset of the newest record of every key. */
  readonly #newest = new Map<string, number>();
  #superseded = 0;
  readonly #waiting = new Set<() => void>();

  constructor(held: (bytes: number) => void) {
    this.#held = held;
  }

  append(record: OutboundRecord, topic: StoredTopic, now: number): Place {
    // The clock may be set back; append times may not.
    this.#lastTime = Math.max(now, this.#lastTime);
    const kept: Kept = { offset: this.#end, stored: store(record, this.#lastTime) };
    this.#records.push(kept);
    this.#end += 1;
    this.#grow(kept.stored.bytes);
    if (topic.compacted) this.#compact(kept, now);
    this.trim(topic, now);
    return { offset: kept.offset, time: this.#lastTime };
  }

  /** Calls what waits for records. Once per batch, not per record. */
  wake(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Calls `wake` at every append, until the returned function is called. */
  whenAppended(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => {
      this.#waiting.delete(wake);
    };
  }

  /** Applies retention. */
  trim(topic: StoredTopic, now: number): void {
    const { maxAgeMs, maxBytes } = topic.retention;
    let drop = 0;
    let bytes = this.#bytes;
    for (const { stored } of this.#records) {
      const old = maxAgeMs !== null && stored.at < now - maxAgeMs;
      if (!old && (maxBytes === null || bytes <= maxBytes)) break;
      bytes -= stored.bytes;
      drop += 1;
    }
    if (drop === 0) return;
    const last = this.#records[drop - 1] as Kept;
    this.#start = last.offset + 1;
    this.#records = this.#records.slice(drop);
    this.#grow(bytes - this.#bytes);
  }

  bounds(): Bounds {
    const first = this.#records[0];
    const time = first !== undefined && first.offset === this.#start ? first.stored.at : 0;
    const end = { offset: this.#end, time: this.#lastTime };
    return { first: this.#start === this.#end ? end : { offset: this.#start, time }, end };
  }

  placeAt(timeMs: number): Place {
    const index = this.#search((kept) => kept.stored.at >= timeMs);
    const kept = this.#records[index];
    return kept === undefined ? this.bounds().end : { offset: kept.offset, time: kept.stored.at };
  }

  has(place: Place): boolean {
    return place.offset >= this.#start && place.offset <= this.#end;
  }

  read(topic: StoredTopic, partition: number, from: Place, maxBytes: number): ReadResult {
    if (!this.has(from)) {
      throw new BusError(
        'DUOBUS_POSITION_GONE',
        `partition ${partition} of topic ${topic.name} holds records from ${this.#start} to before ${this.#end}, not ${from.offset}`,
        {
          context: {
            topic: topic.name,
            partition,
            offset: from.offset,
            first: this.#start,
            end: this.#end,
          },
        },
      );
    }
    const records: LogRecord[] = [];
    let index = this.#search((kept) => kept.offset >= from.offset);
    for (let bytes = 0; index < this.#records.length && records.length < maxRecords; index += 1) {
      const { offset, stored } = this.#records[index] as Kept;
      bytes += stored.bytes;
      if (records.length > 0 && bytes > maxBytes) break;
      records.push({ ...copy(stored), offset, time: stored.at });
    }
    const atEnd = index >= this.#records.length;
    const last = records.at(-1);
    if (atEnd) return { records, next: this.bounds().end, atEnd };
    return {
      records,
      next: last === undefined ? from : { offset: last.offset + 1, time: last.time },
      atEnd,
    };
  }

  /** Everything is dropped, for a topic that is removed. */
  clear(): void {
    this.#grow(-this.#bytes);
    this.#records = [];
    this.#start = this.#end;
  }

  /** Index of the first record for which `reached` holds; it must hold for all after it. */
  #search(reached: (kept: Kept) => boolean): number {
    let low = 0;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (reached(this.#records[middle] as Kept)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #grow(bytes: number): void {
    this.#bytes += bytes;
    this.#held(bytes);
  }

  /** Drops what newer records of the same key replace, in one go when it has become the larger part. */
  #compact(added: Kept, now: number): void {
    const key = added.stored.key ?? '';
    if (this.#newest.has(key)) this.#superseded += 1;
    this.#newest.set(key, added.offset);
    if (this.#superseded < compactAfter || this.#superseded * 2 < this.#records.length) return;
    const before = this.#bytes;
    this.#records = this.#records.filter(({ offset, stored }) => {
      const kept =
        this.#newest.get(stored.key ?? '') === offset &&
        (stored.body !== null || stored.at > now - tombstonesMs);
      if (!kept && this.#newest.get(stored.key ?? '') === offset)
        this.#newest.delete(stored.key ?? '');
      return kept;
    });
    this.#superseded = 0;
    this.#grow(this.#records.reduce((sum, { stored }) => sum + stored.bytes, 0) - before);
  }
}
