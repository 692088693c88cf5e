import type {
  Bounds,
  LogEvent,
  LogMember,
  LogRecord,
  Place,
  PointerWrite,
  StoredTopic,
} from '../driver.ts';
import { BusError } from '../errors.ts';
import { Inbox } from '../inbox.ts';
import { abortable } from '../internal/abort.ts';
import type { Claimant } from './claimant.ts';

/** Where a reader puts what it finds. */
export interface ReaderEvents {
  records(partition: number, token: number, records: readonly LogRecord[]): void;
  /** Retention has passed the reader: it stands until it is started again. */
  trimmed(partition: number, token: number, bounds: Bounds): void;
  /** It cannot go on: the member is over. */
  failed(error: BusError): void;
}

/** How a driver reads the partitions that a member owns. `start` and `flow` as in LogMember. */
export interface PartitionReader {
  start(partition: number, token: number, place: Place): void;
  flow(partition: number, token: number, open: boolean): void;
  /** What has been found and was not received yet has been received now: at most one fetch waits per partition. */
  taken(partition: number, token: number): void;
  /** Reads no more of it. */
  stop(partition: number): void;
  close(): Promise<void>;
}

/** One consumer of a group over cells. */
export class CellsMember implements LogMember {
  readonly #topic: StoredTopic;
  readonly #group: string;
  readonly #inbox = new Inbox<LogEvent | undefined>();
  #claimant: Claimant | undefined;
  #reader: PartitionReader | undefined;
  /** Why it is over. */
  #over: BusError | undefined;
  #closing: Promise<void> | undefined;

  constructor(topic: StoredTopic, group: string) {
    this.#topic = topic;
    this.#group = group;
  }

  /** Both need the member's events first. */
  async open(claimant: Claimant, reader: PartitionReader, signal: AbortSignal): Promise<void> {
    this.#claimant = claimant;
    this.#reader = reader;
    try {
      await claimant.open(signal);
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  async receive(signal: AbortSignal): Promise<readonly LogEvent[]> {
    for (;;) {
      if (this.#closing !== undefined) throw this.#closed();
      const events = (await this.#inbox.receive(signal)).filter((event) => event !== undefined);
      if (events.some(({ type }) => type === 'records')) await this.#whileStale(signal);
      const current = events.filter(
        (event) => event.type !== 'records' || this.#owns(event.partition, event.token),
      );
      for (const event of current)
        if (event.type === 'records') this.#reader?.taken(event.partition, event.token);
      if (current.length > 0) return current;
    }
  }

  start(partition: number, token: number, place: Place): void {
    if (!this.#owns(partition, token)) return;
    this.#forget(partition);
    this.#reader?.start(partition, token, place);
  }

  flow(partition: number, token: number, open: boolean): void {
    if (this.#owns(partition, token)) this.#reader?.flow(partition, token, open);
  }

  async commit(writes: readonly PointerWrite[]): Promise<readonly ('ok' | 'fenced')[]> {
    if (this.#closing !== undefined) throw this.#closed();
    if (this.#over !== undefined) throw this.#over;
    return (await this.#claimant?.commit(writes)) ?? writes.map(() => 'fenced');
  }

  async release(partition: number, token: number): Promise<void> {
    if (!this.#owns(partition, token)) return;
    this.#stop(partition);
    await this.#claimant?.release(partition, token);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  assigned(event: Extract<LogEvent, { type: 'assigned' }>): void {
    this.#push(event);
  }

  revoking(event: Extract<LogEvent, { type: 'revoking' }>): void {
    this.#stop(event.partition);
    this.#push(event);
  }

  revoked(partition: number, token: number): void {
    this.#stop(partition);
    this.#push({ type: 'revoked', partition, token });
  }

  found(event: Extract<LogEvent, { type: 'records' | 'trimmed' }>): void {
    if (this.#owns(event.partition, event.token)) this.#push(event);
  }

  /** The claimant or the reader is over. */
  ended(error: BusError): void {
    if (this.#over !== undefined || this.#closing !== undefined) return;
    this.#push({
      type: error.code === 'DUOBUS_NOT_FOUND' || !error.retryable ? 'gone' : 'lost',
      error,
    });
    this.#over = error;
  }

  #owns(partition: number, token: number): boolean {
    return this.#over === undefined && this.#claimant?.owns(partition, token) === true;
  }

  /** A process that was frozen hands out nothing until it knows that it is still the owner. */
  async #whileStale(signal: AbortSignal): Promise<void> {
    if (this.#claimant?.stale === true) await abortable(this.#claimant.untilFresh(), signal);
  }

  #stop(partition: number): void {
    this.#reader?.stop(partition);
    this.#forget(partition);
  }

  #forget(partition: number): void {
    this.#inbox.discard((event) => event?.type === 'records' && event.partition === partition);
  }

  #push(event: LogEvent): void {
    if (this.#over === undefined) this.#inbox.push(event);
  }

  async #close(): Promise<void> {
    this.#inbox.push(undefined); // wakes who receives
    await this.#reader?.close();
    await this.#claimant?.close();
  }

  #closed(): BusError {
    return new BusError(
      'DUOBUS_CLOSED',
      `this member of group '${this.#group}' on topic '${this.#topic.name}' is closed`,
    );
  }
}
