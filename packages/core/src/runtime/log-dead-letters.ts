import type { DeadLetter, DeadLetterFilter, DeadLetters } from '../dead-letters.ts';
import type { LogDriver, LogRecord, OutboundRecord, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import { formatPosition } from '../position.ts';
import { decodeLetter, encodeLetter, plainHeaders, scanLog, writeLine } from './dead-log.ts';
import type { Half } from './half.ts';
import { chooser } from './letter-filter.ts';
import type { Link } from './link.ts';
import type { Publisher } from './publisher.ts';
import { openRecord } from './runner.ts';

interface Line {
  readonly identity: string;
  readonly letter: ReturnType<typeof decodeLetter>;
  readonly record: LogRecord;
}

/** The dead letters of a data bus group. */
export class LogDeadLetters implements DeadLetters {
  readonly #driver: LogDriver;
  readonly #link: Link;
  readonly #publisher: Publisher;
  readonly #topics: () => Promise<{
    readonly topic: StoredTopic;
    readonly log: StoredTopic | undefined;
  }>;
  readonly #group: string;

  constructor(
    { driver, link, publisher }: Half<LogDriver>,
    topics: () => Promise<{ readonly topic: StoredTopic; readonly log: StoredTopic | undefined }>,
    group: string,
  ) {
    this.#driver = driver;
    this.#link = link;
    this.#publisher = publisher;
    this.#topics = topics;
    this.#group = group;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<DeadLetter> {
    const { topic, log } = await this.#topics();
    if (log === undefined) return;
    for await (const line of this.#lines(log)) yield this.#view(topic, line);
  }

  redrive(filter?: DeadLetterFilter): Promise<number> {
    return this.#rewrite(filter, ({ identity, letter, record }) =>
      encodeLetter(
        identity,
        { ...letter, status: 'redrive', attempts: 0, crashes: 0 },
        plainHeaders(record.headers),
        record.body ?? new Uint8Array(),
      ),
    );
  }

  purge(filter?: DeadLetterFilter): Promise<number> {
    return this.#rewrite(filter, ({ identity }) => ({ key: identity, headers: {}, body: null }));
  }

  /** Whether anything is left: dead letters, or redriven ones that have not been handled yet. */
  async isEmpty(): Promise<boolean> {
    const { log } = await this.#topics();
    if (log === undefined) return true;
    for await (const _ of this.#lines(log, () => true)) return false;
    return true;
  }

  /** Deletes what is redriven too: there is no group any more that could handle it. */
  async discard(): Promise<void> {
    const { log } = await this.#topics();
    if (log === undefined) return;
    let batch: OutboundRecord[] = [];
    for await (const { identity } of this.#lines(log, () => true)) {
      batch.push({ key: identity, headers: {}, body: null });
      if (batch.length >= 100) await this.#append(log, batch.splice(0));
    }
    if (batch.length > 0) await this.#append(log, batch);
  }

  /** What became of the document at a place: dead, or not (or not any more). */
  async isDead(partition: number, offset: number, epoch: number): Promise<boolean> {
    const { log } = await this.#topics();
    if (log === undefined) return false;
    for await (const { letter } of this.#lines(log))
      if (
        letter.partition === partition &&
        letter.place.offset === offset &&
        letter.epoch === epoch
      )
        return true;
    return false;
  }

  async #rewrite(
    filter: DeadLetterFilter | undefined,
    line: (line: Line) => OutboundRecord,
  ): Promise<number> {
    const chosen = chooser(filter);
    const { topic, log } = await this.#topics();
    if (log === undefined) return 0;
    let count = 0;
    let batch: OutboundRecord[] = [];
    for await (const one of this.#lines(log)) {
      if (!chosen(this.#view(topic, one))) continue;
      batch.push(line(one));
      count += 1;
      if (batch.length >= 100) await this.#append(log, batch.splice(0));
    }
    if (batch.length > 0) await this.#append(log, batch);
    return count;
  }

  /** A line written twice changes nothing, so that an unknown outcome is tried again like any other. */
  #append(log: StoredTopic, records: readonly OutboundRecord[]): Promise<void> {
    return this.#link.request(async (signal) => {
      const writes = records.map((record) => writeLine(this.#publisher, log, record, signal));
      for (const write of await Promise.allSettled(writes)) {
        if (write.status === 'fulfilled') continue;
        const cause: unknown = write.reason;
        if (!BusError.is(cause)) throw cause;
        throw new BusError(
          cause.code,
          `the dead letters of group '${this.#group}' could not be changed: ${cause.message}`,
          { cause, retryable: cause.retryable || cause.outcome === 'unknown' },
        );
      }
    });
  }

  /** The newest line of every key, where that is wanted: first which, then what. */
  async *#lines(
    log: StoredTopic,
    wanted: (status: Line['letter']['status']) => boolean = (status) => status === 'dead',
  ): AsyncGenerator<Line> {
    const newest = new Map<string, number>();
    for await (const record of scanLog(this.#driver, this.#link, log)) {
      if (record.key === undefined) continue;
      if (record.body !== null && wanted(decodeLetter(record).status))
        newest.set(record.key, record.offset);
      else newest.delete(record.key);
    }
    if (newest.size === 0) return;
    for await (const record of scanLog(this.#driver, this.#link, log)) {
      if (record.key !== undefined && newest.get(record.key) === record.offset)
        yield { identity: record.key, letter: decodeLetter(record), record };
    }
  }

  #view(topic: StoredTopic, { identity, letter, record }: Line): DeadLetter {
    const { envelope } = openRecord(
      { ...record, key: undefined, headers: plainHeaders(record.headers) },
      this.#driver.binding,
    );
    const attributes = envelope?.attributes;
    return {
      identity,
      topic: topic.name,
      name: this.#group,
      id: attributes?.id,
      source: attributes?.source,
      type: attributes?.type,
      attributes,
      data: envelope?.data ?? record.body ?? new Uint8Array(),
      reason: letter.reason,
      message: letter.message,
      attempts: letter.attempts,
      deadAt: letter.deadAt,
      position: formatPosition(
        topic.incarnation,
        letter.partition,
        letter.place,
        this.#driver.capabilities.placeNeedsTime,
      ),
      epoch: letter.epoch,
    };
  }
}
