import { Deque, type LogRecord } from '@duobus/core/driver';
import { atMost } from './at-most.ts';
import type { AmqpChannel, AmqpMessage } from './client.ts';
import type { Connection } from './connection.ts';
import { isGenesis, logRecord, sizeOf } from './log-record.ts';
import { consumeStream } from './stream-consume.ts';
import { offsetOf } from './stream-line.ts';

/** What is on its way to a cursor, or waits in it, takes about so many bytes. */
const budgetBytes = 8 * 1024 * 1024;
const smallestWindow = 32;
/** 4.x needs that many in flight to read the end of a busy stream as fast as it grows. */
const largestWindow = 5_000;
/** For the first messages, whose sizes are not known yet. */
const firstWindow = 256;
const farewellMs = 1_500;

export interface CursorEvents {
  /** Something can be taken. */
  arrived(): void;
  /** Nothing more comes. `cancelled`: the broker has ended it, and the connection may be well. */
  ended(reason: Error | undefined, cancelled: boolean): void;
}

interface Arrival {
  readonly message: AmqpMessage;
  readonly channel: AmqpChannel;
  readonly at: number;
}

/**
 * Reads one stream from a place on, on a channel of its own. Acknowledging gives the broker credit to send more; it is
 * done when messages are taken, and in large parts, since 4.x reads slowly where they are small.
 */
export class StreamCursor {
  readonly #connection: Connection;
  readonly #queue: string;
  readonly #events: CursorEvents;
  readonly #arrivals = new Deque<Arrival>();
  #channel: AmqpChannel | undefined;
  #window: number;
  #lastTaken: Arrival | undefined;
  #takenSinceAck = 0;
  #takenSinceOpen = 0;
  #meanBytes = 0;
  #time = 0;
  /** Of the last message that has arrived. */
  #seen: number;
  #next: number;
  #over = false;

  /** `at` is the offset to begin with; the broker begins later where it is not kept any more: see `gap`. */
  static async open(
    connection: Connection,
    queue: string,
    at: number,
    events: CursorEvents,
    signal: AbortSignal,
    window: number = firstWindow,
  ): Promise<StreamCursor> {
    const cursor = new StreamCursor(connection, queue, at, events, window);
    await cursor.#open(signal);
    return cursor;
  }

  private constructor(
    connection: Connection,
    queue: string,
    at: number,
    events: CursorEvents,
    window: number,
  ) {
    this.#connection = connection;
    this.#queue = queue;
    this.#events = events;
    this.#window = window;
    this.#next = at;
    this.#seen = at - 1;
  }

  /** The place after the last message that was taken or stepped over. */
  get next(): number {
    return this.#next;
  }

  get alive(): boolean {
    return !this.#over;
  }

  get empty(): boolean {
    return this.#arrivals.size === 0;
  }

  /** When the oldest message that has not been taken has arrived. */
  get waitingSince(): number | undefined {
    return this.#arrivals.peek()?.at;
  }

  /** The first message is further than it can be by the one place that a stream leaves out at a time. */
  get gap(): boolean {
    const first = this.#arrivals.peek();
    return first !== undefined && offsetOf(first.message) - this.#next > 1;
  }

  /** Nothing is missing in the gap: the broker has used those places itself. */
  stepOver(): void {
    const first = this.#arrivals.peek();
    if (first !== undefined) this.#next = offsetOf(first.message);
  }

  /** Takes records of about so many bytes, at least one if there is one, up to a gap. */
  take(maxBytes: number): readonly LogRecord[] {
    const records: LogRecord[] = [];
    for (let bytes = 0; bytes < maxBytes && !this.gap; ) {
      const arrival = this.#arrivals.shift();
      if (arrival === undefined) break;
      const { message } = arrival;
      bytes += this.#taken(arrival);
      if (isGenesis(message)) continue;
      const record = logRecord(message, this.#time);
      this.#time = record.time;
      records.push(record);
    }
    if (this.#takenSinceAck >= this.#window / 2) this.acknowledge();
    this.#resize();
    return records;
  }

  /** Gives credit for all that was taken: the broker ends who keeps messages for longer than its consumer timeout. */
  acknowledge(): void {
    const last = this.#lastTaken;
    this.#lastTaken = undefined;
    this.#takenSinceAck = 0;
    if (last !== undefined && last.channel === this.#channel)
      last.channel.ack(last.message as never, true);
  }

  async close(): Promise<void> {
    this.#over = true;
    this.#arrivals.clear();
    await this.#leave();
  }

  #taken(arrival: Arrival): number {
    const size = sizeOf(arrival.message);
    this.#next = offsetOf(arrival.message) + 1;
    if (arrival.channel === this.#channel) {
      this.#lastTaken = arrival;
      this.#takenSinceAck += 1;
    }
    this.#takenSinceOpen += 1;
    this.#meanBytes += (size - this.#meanBytes) / Math.min(100, this.#takenSinceOpen);
    return size;
  }

  /** The window is set when reading begins, so another one needs another beginning. Worth it where it is far off. */
  #resize(): void {
    if (this.#channel === undefined || this.#takenSinceOpen < this.#window) return;
    const wanted = Math.min(
      largestWindow,
      Math.max(smallestWindow, Math.round(budgetBytes / this.#meanBytes)),
    );
    this.#takenSinceOpen = 1;
    if (wanted < this.#window * 2 && wanted > this.#window / 2) return;
    this.#window = wanted;
    void this.#leave();
    this.#open(AbortSignal.timeout(30_000)).catch((error: unknown) =>
      this.#end(error as Error, false),
    );
  }

  async #open(signal: AbortSignal): Promise<void> {
    let ours: AmqpChannel | undefined;
    const channel = await this.#connection.channel((reason) => {
      if (ours !== undefined && ours === this.#channel) this.#end(reason, false);
    }, signal);
    ours = channel;
    if (this.#over) return atMost(farewellMs, async () => channel.close());
    this.#channel = channel;
    const take = (message: AmqpMessage | null): void => this.#take(channel, message);
    const consuming = consumeStream(channel, this.#queue, this.#seen + 1, this.#window, take);
    await this.#connection.during(consuming, signal);
  }

  #take(channel: AmqpChannel, message: AmqpMessage | null): void {
    if (this.#over || channel !== this.#channel) return;
    if (message === null) {
      this.#end(undefined, true);
      return;
    }
    this.#seen = offsetOf(message);
    this.#arrivals.push({ message, channel, at: Date.now() });
    this.#events.arrived();
  }

  #end(reason: Error | undefined, cancelled: boolean): void {
    if (this.#over) return;
    this.#over = true;
    void this.#leave();
    this.#events.ended(reason, cancelled);
  }

  async #leave(): Promise<void> {
    const channel = this.#channel;
    this.#channel = undefined;
    this.#lastTaken = undefined;
    this.#takenSinceAck = 0;
    if (channel !== undefined) await atMost(farewellMs, async () => channel.close());
  }
}
