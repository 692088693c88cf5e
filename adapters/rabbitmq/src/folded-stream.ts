import { randomUUID } from 'node:crypto';
import { abortable, BusError, type TopologyMode } from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { untilDurable } from './durable-queue.ts';
import { classify, isMissing } from './native-errors.ts';
import type { Publisher } from './publisher.ts';
import { lastOffset } from './stream-ends.ts';
import { type Line, writtenHeader } from './stream-line.ts';
import { StreamTail } from './stream-tail.ts';
import type { QueueOptions } from './topology.ts';

const startMs = 30_000;

/** The connections as they are now; both throw while the driver is not connected. */
export interface Links {
  consume(): Connection;
  /** For channels that stay open. */
  members(signal: AbortSignal): Promise<Connection>;
  copies(): Publisher;
}

/** What a stream is folded into. */
export interface Fold {
  /** Takes the next line. Throws what makes it impossible to go on. */
  take(line: Line): void;
  /** Whether it knows everything: false where it began too late in the stream. */
  readonly complete: boolean;
}

export interface FoldedStreamOptions<F extends Fold> {
  readonly queue: string;
  readonly declaration: QueueOptions;
  /** For messages: completes "cannot read ...". */
  readonly what: string;
  /** Of the first line, which says nothing: an empty stream hands out nothing, so that empty and slow look the same. */
  readonly genesisType: string;
  readonly opType: string;
  /** A new stream must not be trusted yet, as it may have made the broker's first of its kind. */
  readonly waitUntilDurable: boolean;
  readonly fold: () => F;
  /** Where reading may begin if the last line is this one. Where that was too late it begins again at the first. */
  readonly from: (last: number) => 'first' | number;
  /** What to do where the stream has lost what is needed. */
  readonly lostHelp: string;
}

interface Reading<F> {
  readonly tail: StreamTail;
  readonly fold: F;
}

/**
 * A stream that every process folds in the order of its lines and keeps reading. A change is appended and counts once it
 * has been read back, so that the order of the log decides, and all come to the same answer.
 */
export class FoldedStream<F extends Fold> {
  readonly #links: Links;
  readonly #options: FoldedStreamOptions<F>;
  #reading: Reading<F> | undefined;
  #starting: Promise<Reading<F> | undefined> | undefined;

  constructor(links: Links, options: FoldedStreamOptions<F>) {
    this.#links = links;
    this.#options = options;
  }

  /** What is known, be it some milliseconds old. `undefined`: there is no such stream, and `mode` does not make one. */
  async known(mode: TopologyMode, signal: AbortSignal): Promise<F | undefined> {
    return (await this.#started(mode, signal))?.fold;
  }

  /** What is known without asking, if the stream is being read. */
  get current(): F | undefined {
    return this.#reading?.tail.alive === true ? this.#reading.fold : undefined;
  }

  /** Everything that was in the stream when this was called. */
  async fresh(mode: TopologyMode, signal: AbortSignal): Promise<F | undefined> {
    const reading = await this.#started(mode, signal);
    if (reading === undefined) return undefined;
    await reading.tail.reaches(await this.#lastOffset(mode, signal), signal);
    return reading.fold;
  }

  /** Appends, waits until it is read back, and returns what `look` said right before it was applied. */
  async append<T>(
    text: string,
    look: (before: F, line: Line) => T,
    signal: AbortSignal,
    mode: TopologyMode = 'create',
  ): Promise<T> {
    const reading = await this.#started(mode, signal);
    if (reading === undefined) throw this.#missing();
    const id = randomUUID();
    const seen = reading.tail.expect(id, (line) => look(reading.fold, line));
    // told below, unless publishing fails first; the reading may end before that
    seen.catch(() => undefined);
    try {
      await this.publish(this.#options.opType, text, id, signal);
      return await abortable(seen, signal);
    } finally {
      reading.tail.forget(id);
    }
  }

  /** Appends a line of another type, without waiting for it to be read. */
  async publish(type: string, text: string, messageId: string, signal: AbortSignal): Promise<void> {
    const options = { persistent: true, type, messageId, headers: { [writtenHeader]: Date.now() } };
    const { queue } = this.#options;
    const sending = { exchange: '', routingKey: queue, body: Buffer.from(text), options };
    const [outcome] = await this.#links.copies().send([sending], signal);
    if (outcome?.status === 'stored') return;
    if (signal.aborted) throw signal.reason as Error;
    throw outcome?.error ?? new BusError('DUOBUS_BUG', 'a publish had no outcome');
  }

  /** Reads no more, until it is used again. */
  async close(): Promise<void> {
    const reading = this.#reading;
    this.#reading = undefined;
    await reading?.tail.close();
  }

  async #started(mode: TopologyMode, signal: AbortSignal): Promise<Reading<F> | undefined> {
    if (this.#reading?.tail.alive === true) return this.#reading;
    this.#starting ??= this.#start(mode).finally(() => (this.#starting = undefined));
    const reading = await abortable(this.#starting, signal);
    // it may have been started for a caller that makes nothing
    return reading === undefined && mode === 'create' ? this.#started(mode, signal) : reading;
  }

  async #start(mode: TopologyMode): Promise<Reading<F> | undefined> {
    // shared by all callers, so not bound to the signal of one
    const signal = AbortSignal.timeout(startMs);
    if (!(await this.#exists(signal))) {
      if (mode === 'check') return undefined;
      await this.#make(signal);
    }
    const last = await this.#lastOffset(mode, signal);
    const from = this.#options.from(last);
    let reading = await this.#read(from, last, signal);
    if (!reading.fold.complete && from !== 'first') {
      await reading.tail.close();
      reading = await this.#read('first', last, signal);
    }
    if (!reading.fold.complete) {
      await reading.tail.close();
      throw this.#lost();
    }
    this.#reading = reading;
    return reading;
  }

  async #read(from: 'first' | number, last: number, signal: AbortSignal): Promise<Reading<F>> {
    const { queue, what } = this.#options;
    const fold = this.#options.fold();
    const options = { queue, what, from, take: (line: Line) => fold.take(line) };
    const tail = await StreamTail.open(this.#links.consume(), options, signal);
    try {
      await tail.reaches(last, signal);
    } catch (error) {
      await tail.close();
      throw classify(error, `read ${what}`);
    }
    return { tail, fold };
  }

  async #exists(signal: AbortSignal): Promise<boolean> {
    const { queue, what } = this.#options;
    try {
      await this.#links
        .consume()
        .with(`look for ${what}`, signal, (channel) => channel.checkQueue(queue));
      return true;
    } catch (error) {
      if (isMissing(error) && !(signal.aborted && error === signal.reason)) return false;
      throw error;
    }
  }

  async #make(signal: AbortSignal): Promise<void> {
    const { queue, what, declaration, waitUntilDurable } = this.#options;
    await this.#links
      .consume()
      .with(`make ${what}`, signal, (channel) => channel.assertQueue(queue, declaration));
    if (waitUntilDurable) await untilDurable(signal);
    await this.#genesis(signal);
  }

  #genesis(signal: AbortSignal): Promise<void> {
    return this.publish(this.#options.genesisType, '', randomUUID(), signal);
  }

  /** A stream without a line was made by a process that died before it wrote one: another line heals it. */
  #lastOffset(mode: TopologyMode, signal: AbortSignal): Promise<number> {
    const { queue, what } = this.#options;
    const mend = async (): Promise<void> => {
      if (mode === 'create') return this.#genesis(signal);
      throw new BusError(
        'DUOBUS_UNAVAILABLE',
        `RabbitMQ: ${what} hands out nothing: a process with topology 'create' mends it`,
        { retryable: true },
      );
    };
    return lastOffset(this.#links.consume(), what, queue, mend, signal);
  }

  #missing(): BusError {
    return new BusError('DUOBUS_NOT_FOUND', `RabbitMQ: ${this.#options.what} does not exist`);
  }

  #lost(): BusError {
    const { what, lostHelp } = this.#options;
    return new BusError(
      'DUOBUS_POSITION_GONE',
      `RabbitMQ: ${what} has lost its beginning: ${lostHelp}`,
    );
  }
}
