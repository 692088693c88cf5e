import type { DeadReason } from '../dead-letters.ts';
import type { LogDriver, LogRecord, OutboundRecord, Place, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import { delayOf, reconnectBackoff } from './backoff.ts';
import type { Context } from './context.ts';
import { decodeLetter, encodeLetter, plainHeaders, writeLine, type Letter } from './dead-log.ts';
import type { Half } from './half.ts';
import type { Item } from './item.ts';
import { messageOf, type Link } from './link.ts';
import type { Tracked } from './pointer.ts';
import type { Publisher } from './publisher.ts';
import { endMs, within } from './within.ts';

/** A dead letter that is handled again. */
export interface Redriven {
  readonly identity: string;
  readonly letter: Letter;
  readonly record: LogRecord;
  /** It was to be handled before this process owned its partition: its owner may have died of it. */
  readonly suspect: boolean;
}

interface Waiting {
  readonly place: Place;
  readonly partition: number;
  readonly suspect: boolean;
  /** Somebody has asked for it; other lines say how far its owner has come with it. */
  readonly asked: boolean;
}

/** Handled at a time, so that what is in memory stays bounded. */
const atOnce = 100;

/** Writes the dead letters of a group member, and brings those that are redriven to the owner of their partition. */
export class GroupLetters {
  readonly #context: Context;
  readonly #link: Link;
  readonly #driver: LogDriver;
  readonly #publisher: Publisher;
  readonly #topic: StoredTopic;
  readonly #scope: readonly [topic: string, group: string];
  readonly #hand: (redriven: Redriven) => boolean;
  readonly #stop = new AbortController();
  readonly #waiting = new Map<string, Waiting>();
  readonly #running = new Set<string>();
  /** A try is written, that is to be taken back unless this process dies of it. */
  readonly #tried = new Set<string>();
  /** Finished with, but the lines that say so may not have been read. */
  readonly #finished = new Set<string>();
  readonly #writing = new Set<Promise<unknown>>();
  #owned: ReadonlySet<number> = new Set();
  #tail: Promise<void> | undefined;
  #handing = false;
  #handAgain = false;
  /** Why dead letters cannot be written: what failed is held until they can. */
  blocked: string | undefined;

  constructor(
    context: Context,
    { link, driver, publisher }: Half<LogDriver>,
    topic: StoredTopic,
    scope: readonly [topic: string, group: string],
    hand: (redriven: Redriven) => boolean,
  ) {
    this.#context = context;
    this.#link = link;
    this.#driver = driver;
    this.#publisher = publisher;
    this.#topic = topic;
    this.#scope = scope;
    this.#hand = hand;
  }

  /** The partitions whose redriven dead letters are ours now. */
  owns(partitions: ReadonlySet<number>): void {
    this.#owned = partitions;
    if (partitions.size > 0) this.#tail ??= this.#follow();
    void this.#handOut();
  }

  /** Keeps a document as dead letter. False when it was given up because the member ends. */
  bury(item: Item, reason: DeadReason, message: string): Promise<boolean> {
    const redriven = redrivenOf(item);
    const letter: Letter = {
      ...(redriven?.letter ?? {
        partition: item.part.partition,
        place: placeOf(item),
        epoch: item.lease.epoch,
      }),
      status: 'dead',
      reason,
      message,
      attempts: item.failed,
      crashes: 0,
      deadAt: this.#context.timers.now(),
    };
    return this.#write(
      redriven?.identity ?? this.#identityOf(item),
      letter,
      item,
      () => redriven === undefined || this.#over(redriven),
    );
  }

  /** A redriven document is done. */
  handled(item: Item): void {
    const redriven = redrivenOf(item);
    if (redriven === undefined) return;
    const gone = { key: redriven.identity, headers: {}, body: null };
    this.#track(this.#append(gone).then((kept) => kept && this.#over(redriven)));
  }

  failedAgain(item: Item): Promise<boolean> {
    this.#tried.delete((redrivenOf(item) as Redriven).identity);
    return this.#rewrite(item, item.crashes);
  }

  probe(item: Item): Promise<boolean> {
    this.#tried.add((redrivenOf(item) as Redriven).identity);
    return this.#rewrite(item, item.crashes + 1);
  }

  /** A redriven document was taken back unhandled. */
  returned(item: Item): void {
    const redriven = redrivenOf(item);
    if (redriven === undefined) return;
    const { identity } = redriven;
    const free = (): void => {
      this.#running.delete(identity);
      void this.#handOut();
    };
    if (this.#tried.has(identity)) this.#track(this.failedAgain(item).then(free));
    else free();
  }

  async end(): Promise<void> {
    await within(this.#context.timers, endMs, Promise.all(this.#writing));
    this.#stop.abort();
    await this.#tail;
    await Promise.all(this.#writing);
  }

  #track(write: Promise<unknown>): void {
    const writing = write.finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }

  #rewrite(item: Item, crashes: number): Promise<boolean> {
    const { identity, letter } = redrivenOf(item) as Redriven;
    return this.#write(
      identity,
      { ...letter, status: 'redriving', attempts: item.failed, crashes },
      item,
      () => true,
    );
  }

  async #write(
    identity: string,
    letter: Letter,
    item: Item,
    kept: () => boolean,
  ): Promise<boolean> {
    const { headers, body } =
      item.attributes === undefined
        ? { headers: plainHeaders(item.record.headers), body: item.data }
        : this.#driver.binding.encode(item.attributes, item.data);
    return (await this.#append(encodeLetter(identity, letter, headers, body))) && kept();
  }

  /** Until it is stored: a second copy of a line changes nothing. */
  async #append(record: OutboundRecord): Promise<boolean> {
    const { signal } = this.#stop;
    const both = AbortSignal.any([signal, this.#context.closed]);
    for (let attempt = 1; !both.aborted; attempt += 1) {
      try {
        await writeLine(this.#publisher, this.#topic, record, both);
        this.blocked = undefined;
        return true;
      } catch (error) {
        if (!both.aborted) this.#failed(error);
      }
      await this.#context.timers
        .sleep(delayOf(reconnectBackoff, attempt), both)
        .catch(() => undefined); // aborted: the loop ends
    }
    return false;
  }

  #failed(error: unknown): void {
    this.#link.failed(error);
    if (this.#link.up)
      this.blocked = `dead letters of group '${this.#scope[1]}' cannot be written: ${messageOf(error)}`;
  }

  #over({ identity, record }: Redriven): true {
    this.#running.delete(identity);
    this.#tried.delete(identity);
    this.#finished.add(identity);
    const waiting = this.#waiting.get(identity);
    // It may have been redriven anew before this process was told that its last line is stored.
    if (waiting?.asked !== true || waiting.place.offset <= record.offset)
      this.#waiting.delete(identity);
    void this.#handOut();
    return true;
  }

  /** Reads what is redriven, from the beginning: the log is small, as everything settled is compacted away. */
  async #follow(): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, this.#context.closed]);
    let from: Place | undefined;
    let caughtUp = false;
    for (let attempt = 0; !signal.aborted; ) {
      try {
        await this.#link.ready(signal);
        const finished = [...this.#finished];
        from ??= ((await this.#driver.bounds(this.#topic, signal))[0] as { first: Place }).first;
        const { records, next, atEnd } = await this.#driver.read(
          this.#topic,
          0,
          from,
          { maxBytes: 1024 * 1024, maxWaitMs: caughtUp ? 5_000 : 0 },
          signal,
        );
        for (const record of records) this.#fold(record, !caughtUp);
        from = next;
        attempt = 0;
        if (!atEnd) continue;
        caughtUp = true;
        for (const identity of finished) this.#finished.delete(identity);
        void this.#handOut();
      } catch (error) {
        if (signal.aborted) return;
        if (BusError.is(error, 'DUOBUS_POSITION_GONE')) from = undefined;
        this.#link.failed(error);
        attempt += 1;
        await this.#context.timers
          .sleep(delayOf(reconnectBackoff, attempt), signal)
          .catch(() => undefined); // aborted: the loop ends
      }
    }
  }

  #fold(record: LogRecord, suspect: boolean): void {
    const identity = record.key;
    if (identity === undefined) return;
    const letter = record.body === null ? undefined : readable(record);
    if (letter !== undefined && letter.status !== 'dead') {
      const asked = letter.status === 'redrive';
      if (!asked && this.#finished.has(identity)) return;
      this.#waiting.set(identity, {
        place: record,
        partition: letter.partition,
        suspect: suspect || letter.crashes > 0,
        asked,
      });
    } else if (!this.#running.has(identity)) this.#waiting.delete(identity);
  }

  async #handOut(): Promise<void> {
    this.#handAgain = true;
    if (this.#handing) return;
    this.#handing = true;
    try {
      while (this.#handAgain) {
        this.#handAgain = false;
        for (const [identity, waiting] of this.#waiting) {
          if (this.#running.size >= atOnce || this.#stop.signal.aborted) return;
          if (!this.#running.has(identity) && this.#owned.has(waiting.partition))
            await this.#handOne(identity, waiting);
        }
      }
    } catch (error) {
      // What is left is tried again when the next records, or none, have been read.
      this.#link.failed(error);
    } finally {
      this.#handing = false;
    }
  }

  async #handOne(identity: string, { place, suspect }: Waiting): Promise<void> {
    const { records } = await this.#link.request((signal) =>
      this.#driver.read(this.#topic, 0, place, { maxBytes: 1, maxWaitMs: 0 }, signal),
    );
    const [record] = records;
    if (record === undefined || record.offset !== place.offset || record.body === null) return;
    this.#running.add(identity);
    this.#finished.delete(identity);
    if (!this.#hand({ identity, letter: decodeLetter(record), record, suspect }))
      this.#running.delete(identity);
  }

  #identityOf(item: Item): string {
    const { offset } = placeOf(item);
    return JSON.stringify([
      ...this.#scope,
      item.attributes?.source ?? '',
      item.attributes?.id ?? '',
      item.part.partition,
      offset,
      item.lease.epoch,
    ]);
  }
}

/** What another version, or something else, has written is not ours to hand out; listing says what is wrong with it. */
function readable(record: LogRecord): Letter | undefined {
  try {
    return decodeLetter(record);
  } catch (error) {
    if (BusError.is(error)) return undefined;
    throw error;
  }
}

function redrivenOf(item: Item): Redriven | undefined {
  return item.owner === undefined ? (item.handle as Redriven) : undefined;
}

function placeOf(item: Item): Place {
  const { offset, time } = item.handle as Tracked;
  return { offset, time };
}
