import { abortable } from '@duobus/core/driver';
import { atMost } from './at-most.ts';
import type { AmqpChannel, AmqpMessage } from './client.ts';
import type { Connection } from './connection.ts';
import { classify } from './native-errors.ts';
import { consumeStream } from './stream-consume.ts';
import { type Line, lineOf } from './stream-line.ts';

const prefetch = 1000;
/** amqplib's `close` never settles when the connection is gone. */
const farewellMs = 1_500;

interface Waiting {
  readonly offset: number;
  resolve(): void;
  reject(error: Error): void;
}

interface Expected {
  seen(line: Line): void;
  fail(error: Error): void;
}

export interface TailOptions {
  readonly queue: string;
  /** For messages: completes "cannot read ...". */
  readonly what: string;
  readonly from: 'first' | number;
  /** Takes every line in order; what it throws ends the tail. */
  readonly take: (line: Line) => void;
}

/** One reading of a stream that goes on until its connection ends. */
export class StreamTail {
  readonly #options: TailOptions;
  #channel: AmqpChannel | undefined;
  #offset = -1;
  #failure: Error | undefined;
  readonly #expected = new Map<string, Expected>();
  #waiting: Waiting[] = [];

  static async open(
    connection: Connection,
    options: TailOptions,
    signal: AbortSignal,
  ): Promise<StreamTail> {
    const tail = new StreamTail(options);
    try {
      await tail.#open(connection, signal);
    } catch (error) {
      // e.g. refused while the broker starts: an error of the client's would end the consumer instead of being retried
      throw tail.#ended(error);
    }
    return tail;
  }

  private constructor(options: TailOptions) {
    this.#options = options;
  }

  get alive(): boolean {
    return this.#failure === undefined;
  }

  /** Of the last line taken. */
  get offset(): number {
    return this.#offset;
  }

  /** Resolves when the line with this id is read, to what `look` says of it before it is taken. */
  expect<T>(id: string, look: (line: Line) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure);
      this.#expected.set(id, { seen: (line) => resolve(look(line)), fail: reject });
    });
  }

  forget(id: string): void {
    this.#expected.delete(id);
  }

  /** Resolves when everything up to `offset` is taken. */
  async reaches(offset: number, signal: AbortSignal): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#offset >= offset) return;
    const reached = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ offset, resolve, reject });
    });
    await abortable(reached, signal);
  }

  async close(): Promise<void> {
    this.#fail(this.#ended(new Error('it is not read any more')));
    const channel = this.#channel;
    if (channel !== undefined) await atMost(farewellMs, async () => channel.close());
  }

  async #open(connection: Connection, signal: AbortSignal): Promise<void> {
    const { queue, from } = this.#options;
    const channel = await connection.channel((reason) => this.#fail(this.#ended(reason)), signal);
    this.#channel = channel;
    const take = (message: AmqpMessage | null): void => this.#take(channel, message);
    await connection.during(consumeStream(channel, queue, from, prefetch, take), signal);
  }

  #take(channel: AmqpChannel, message: AmqpMessage | null): void {
    if (this.#failure !== undefined) return;
    if (message === null) {
      this.#fail(this.#ended(undefined));
      return;
    }
    const line = lineOf(message);
    try {
      this.#expected.get(line.id ?? '')?.seen(line);
      this.#options.take(line);
    } catch (error) {
      this.#fail(this.#ended(error));
      return;
    }
    this.#offset = line.offset;
    channel.ack(message as never); // on a stream this is credit for the next
    this.#waiting = this.#waiting.filter((waiting) => {
      if (waiting.offset > line.offset) return true;
      waiting.resolve();
      return false;
    });
  }

  #ended(reason: unknown): Error {
    return classify(reason, `read ${this.#options.what}`);
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const { fail } of this.#expected.values()) fail(error);
    for (const { reject } of this.#waiting) reject(error);
    this.#expected.clear();
    this.#waiting = [];
  }
}
