import { BusError, type LogRecord } from '@duobus/core/driver';
import type { Carrier } from './carrier.ts';
import { decompress } from './compression.ts';
import { type FetchedPartition, fetchTopics } from './fetch-protocol.ts';
import { byTopic, type GroupShares, type KafkaPartition } from './group-shares.ts';
import type { Leaders } from './leaders.ts';
import { leadershipCodes } from './log-ends.ts';
import { isConnectionFailure, KafkaCode, kafkaCode } from './native-errors.ts';
import { batchesEnd, decodeBatches } from './record-batch.ts';

/** Where a fetcher's findings go. */
export interface FetchSink {
  records(partition: number, token: number, records: readonly LogRecord[]): void;
  /** The offset is not in the log; the partition stands until it is started anew. */
  outOfRange(partition: number, token: number): void;
  /** Fetching is over, for a reason that will not pass by itself. */
  failed(error: unknown): void;
}

interface Part {
  readonly partition: number;
  readonly at: KafkaPartition;
  readonly token: number;
  offset: number;
  open: boolean;
  node: number | undefined;
  fetching: boolean;
  /** Handed to the sink and not taken yet: at most one waits while the next is on the wire. */
  waiting: number;
  /** Fetched while closed. */
  held: LogRecord[];
}

const outOfRange = 1;
const limits = { maxBytes: 8 * 1024 * 1024, maxPartitionBytes: 1024 * 1024 };
const shortWaitMs = 200;
/** Answers in a row without a record after which a longer wait is worth it. */
const idleAfter = 10;
const pauseMs = 200;

export interface FetchPatience {
  /** How long connections may fail before it counts as a failure, in ms. */
  readonly troubleMs: number;
  /** How long a fetch waits for records where none have come for a while, in ms: what is started meanwhile on the same
   *  broker waits behind it. Default: no longer than any other. */
  readonly idleWaitMs?: number | undefined;
}

/** Fetches for a member: one request per leader over the partitions with room, the next on the wire while the last is
 *  decoded and handed out. A moved leader is followed; other errors end it. */
export class Fetcher {
  readonly #places: Pick<GroupShares, 'at'>;
  readonly #carrier: Carrier;
  readonly #leaders: Leaders;
  readonly #sink: FetchSink;
  readonly #patience: FetchPatience;
  readonly #parts = new Map<number, Part>();
  readonly #busy = new Set<number>();
  #decoding: Promise<void> = Promise.resolve();
  #soon: NodeJS.Immediate | undefined;
  #later: NodeJS.Timeout | undefined;
  #troubleSince: number | undefined;
  /** Answers without a record since the last one with some, or the last start. */
  #empty = 0;
  #closed = false;

  constructor(
    places: Pick<GroupShares, 'at'>,
    carrier: Carrier,
    leaders: Leaders,
    sink: FetchSink,
    patience: FetchPatience,
  ) {
    this.#places = places;
    this.#carrier = carrier;
    this.#leaders = leaders;
    this.#sink = sink;
    this.#patience = patience;
  }

  start(partition: number, token: number, offset: number): void {
    this.#empty = 0;
    const before = this.#parts.get(partition);
    // what is on its way for an earlier start is dropped, as its part is no longer the one in the map
    this.#parts.set(partition, {
      partition,
      at: this.#places.at(partition),
      token,
      offset,
      open: true,
      node: before?.node,
      fetching: false,
      waiting: 0,
      held: [],
    });
    this.#kick();
  }

  flow(partition: number, token: number, open: boolean): void {
    const part = this.#parts.get(partition);
    if (part === undefined || part.token !== token) return;
    part.open = open;
    if (!open) return;
    if (part.held.length > 0) this.#hand(part, part.held.splice(0));
    this.#kick();
  }

  /** Records of a partition have been taken from the sink. */
  taken(partition: number, token: number): void {
    const part = this.#parts.get(partition);
    if (part === undefined || part.token !== token) return;
    part.waiting = Math.max(0, part.waiting - 1);
    this.#kick();
  }

  stop(partition: number): void {
    this.#parts.delete(partition);
  }

  stopAll(): void {
    this.#parts.clear();
  }

  close(): void {
    this.#closed = true;
    this.#parts.clear();
    clearImmediate(this.#soon);
    clearTimeout(this.#later);
    this.#carrier.close();
  }

  /** Once for everything that changes in this turn of the event loop. */
  #kick(): void {
    if (this.#closed) return;
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    if (this.#closed || this.#later !== undefined) return;
    const byNode = new Map<number, Part[]>();
    for (const part of this.#parts.values()) {
      if (!part.open || part.fetching || part.waiting > 1 || part.held.length > 0) continue;
      if (part.node === undefined) {
        void this.#locate();
        return;
      }
      if (this.#busy.has(part.node)) continue;
      const parts = byNode.get(part.node);
      if (parts === undefined) byNode.set(part.node, [part]);
      else parts.push(part);
    }
    for (const [node, parts] of byNode) void this.#fetch(node, parts);
  }

  async #locate(): Promise<void> {
    try {
      for (const part of this.#parts.values())
        part.node ??= await this.#leaders.node(part.at.topic, part.at.partition);
      this.#kick();
    } catch (error) {
      this.#trouble(error);
    }
  }

  async #fetch(node: number, parts: readonly Part[]): Promise<void> {
    this.#busy.add(node);
    for (const part of parts) part.fetching = true;
    let answers: readonly FetchedPartition[] = [];
    try {
      const asked = byTopic(parts, ({ at }) => at).map(({ topic, items }) => ({
        topic,
        partitions: items.map(({ at, offset }) => ({ partition: at.partition, offset })),
      }));
      answers = await this.#carrier.send(
        await this.#carrier.broker(node),
        fetchTopics(asked, { ...limits, maxWaitMs: this.#waitMs() }),
      );
      this.#troubleSince = undefined;
    } catch (error) {
      this.#trouble(error);
    }
    this.#busy.delete(node);
    for (const part of parts) part.fetching = false;
    if (this.#closed) return;
    const full = parts.flatMap((part) => {
      const answer = answers.find(
        ({ topic, partition }) => partition === part.at.partition && topic === part.at.topic,
      );
      return answer !== undefined && this.#note(part, answer)
        ? [{ part, answer, from: part.offset }]
        : [];
    });
    this.#empty = full.length > 0 ? 0 : this.#empty + 1;
    for (const { part, answer } of full) {
      part.offset = batchesEnd(answer.batches, part.offset);
      part.waiting += 1;
    }
    this.#dispatch();
    if (full.length > 0)
      this.#decoding = this.#decoding
        .then(() => this.#decode(full))
        .catch((error: unknown) => this.#sink.failed(error));
  }

  /** Long only where no partition is left out, which might be wanted before the answer comes. */
  #waitMs(): number {
    const { idleWaitMs = shortWaitMs } = this.#patience;
    if (this.#empty < idleAfter) return shortWaitMs;
    const all = [...this.#parts.values()].every(({ open, waiting }) => open && waiting === 0);
    return all ? idleWaitMs : shortWaitMs;
  }

  /** Whether there is something to decode. */
  #note(part: Part, { errorCode, batches }: FetchedPartition): boolean {
    if (this.#parts.get(part.partition) !== part) return false;
    if (errorCode === 0) return batches.length > 0;
    if (errorCode === outOfRange) {
      this.#parts.delete(part.partition);
      this.#sink.outOfRange(part.partition, part.token);
    } else if (leadershipCodes.includes(errorCode)) {
      part.node = undefined;
      this.#trouble(new KafkaCode(errorCode));
    } else this.#sink.failed(new KafkaCode(errorCode));
    return false;
  }

  async #decode(
    full: readonly {
      readonly part: Part;
      readonly answer: FetchedPartition;
      readonly from: number;
    }[],
  ): Promise<void> {
    for (const { part, answer, from } of full) {
      const { records, next, error } = await decodeBatches(
        answer.batches,
        from,
        answer.aborted,
        decompress,
      );
      if (this.#parts.get(part.partition) !== part) continue;
      part.waiting -= 1;
      if (records.length > 0) {
        if (part.open) this.#hand(part, records);
        else for (const record of records) part.held.push(record);
      } else if (error !== undefined) throw this.#unreadable(part, error);
      // what cannot be read is only reported when it is the next to be handed out
      if (error !== undefined)
        this.#parts.set(part.partition, { ...part, offset: next, fetching: false });
      this.#kick();
    }
  }

  #unreadable({ at: { topic, partition } }: Part, error: BusError): BusError {
    return new BusError(
      error.code,
      `partition ${partition} of topic '${topic}': ${error.message}`,
      {
        cause: error,
        context: { ...error.context, topic, partition },
      },
    );
  }

  #hand(part: Part, records: readonly LogRecord[]): void {
    part.waiting += 1;
    this.#sink.records(part.partition, part.token, records);
  }

  /** Moved leaders and broken connections pass: waits a little and looks again, up to a limit. */
  #trouble(error: unknown): void {
    if (this.#closed) return;
    const passing =
      leadershipCodes.includes(kafkaCode(error)) ||
      isConnectionFailure(error) ||
      (BusError.is(error) && error.retryable);
    this.#troubleSince ??= Date.now();
    if (!passing || Date.now() - this.#troubleSince > this.#patience.troubleMs) {
      this.#sink.failed(error);
      return;
    }
    for (const part of this.#parts.values()) {
      this.#leaders.suspect(part.at.topic);
      part.node = undefined;
    }
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      this.#dispatch();
    }, pauseMs);
  }
}
