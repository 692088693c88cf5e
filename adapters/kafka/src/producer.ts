import { abortable, BusError, type Outcome, type OutboundRecord } from '@duobus/core/driver';
import type { Carrier } from './carrier.ts';
import type { Broker } from './client.ts';
import type { Leaders } from './leaders.ts';
import { KafkaCode, kafkaCode, publishFailure } from './native-errors.ts';
import { type Produced, produceRequest } from './produce-protocol.ts';
import { encodeBatch } from './record-codec.ts';

/** A run of one call's records that was sent, or is to be sent, as one batch. */
interface Segment {
  readonly from: number;
  readonly to: number;
  /** Given when it is first sent, the same at every time after. */
  sequence: number | undefined;
  /** An answer was missed: it may be stored, whatever is answered to the next try. */
  unsure: boolean;
  produced: Produced | undefined;
  /** Certainly not stored, for a reason of its own. */
  refused: unknown;
}

/** What the broker knows this publisher by, in one partition, and the call that is not resolved yet. */
interface Line {
  producerId: bigint;
  producerEpoch: number;
  nextSequence: number;
  open: { readonly records: readonly OutboundRecord[]; segments: Segment[] } | undefined;
}

const messageTooLarge: readonly (number | undefined)[] = [10, 18];
const unknownTopic = 3;
const notLeader = 6;
const duplicate = 46;
/** The broker and this publisher disagree about what came before: the sequences cannot be used any more. */
const outOfStep: readonly (number | undefined)[] = [45, 46, 47, 59];
const lastSequence = 2 ** 31 - 10_000;

/**
 * Appends batches, one partition and one batch per request. Each partition has a publisher id of its own, so that a
 * batch whose answer was lost is recognised by the broker when it is sent again (it remembers the last five).
 */
export class Producer {
  readonly #carrier: Carrier;
  readonly #leaders: Leaders;
  readonly #timeoutMs: number;
  readonly #lines = new Map<string, Line>();
  /** Lines with a call under way. */
  readonly #busy = new Set<string>();

  constructor(carrier: Carrier, leaders: Leaders, timeoutMs: number) {
    this.#carrier = carrier;
    this.#leaders = leaders;
    this.#timeoutMs = timeoutMs;
  }

  /** One call per partition at a time: two would use the same sequences, and one of them would not be stored. */
  async append(
    topic: string,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    const name = lineName(topic, partition);
    if (this.#busy.has(name)) return records.map(() => overlapping(topic, partition));
    this.#busy.add(name);
    try {
      return await this.#append(topic, partition, records, signal);
    } finally {
      this.#busy.delete(name);
    }
  }

  async #append(
    topic: string,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    const explain = (error: unknown): Failure =>
      publishFailure(error, `publishing to partition ${partition} of topic '${topic}'`, {
        topic,
        partition,
        records: records.length,
      });
    let line: Line;
    try {
      line = await abortable(this.#line(topic, partition, records, signal), signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#leaders.suspect(topic);
      return records.map(() => rejected(explain(error)));
    }
    const call = (line.open ??= { records, segments: [segment(0, records.length)] });
    const failure = await this.#send(topic, partition, line, call, signal);
    if (failure === undefined) line.open = undefined;
    else if (call.segments.some(({ unsure, produced }) => unsure && produced === undefined)) {
      if (outOfStep.includes(kafkaCode(failure))) this.#lines.delete(lineName(topic, partition));
      return outcomesOf(
        call.segments,
        signal.aborted ? abandoned(signal) : { ...explain(failure), status: 'unknown' },
        explain,
      );
    } else {
      line.open = undefined;
      signal.throwIfAborted();
      if (outOfStep.includes(kafkaCode(failure))) this.#lines.delete(lineName(topic, partition));
    }
    return outcomesOf(call.segments, failure === undefined ? undefined : explain(failure), explain);
  }

  /** The partition's line, a new one if what is open there is another call's: its sequences must not be used again. */
  async #line(
    topic: string,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<Line> {
    const name = lineName(topic, partition);
    const known = this.#lines.get(name);
    if (
      known !== undefined &&
      (known.open === undefined
        ? known.nextSequence < lastSequence
        : known.open.records === records)
    )
      return known;
    const leader = await this.#leaders.of(topic, partition);
    const ask = (): ReturnType<Broker['initProducerId']> =>
      this.#carrier.call(leader, (broker) => broker.initProducerId({ transactionTimeout: 60_000 }));
    const { producerId, producerEpoch } = await this.#carrier.whenReady(ask, signal);
    const line: Line = {
      producerId: BigInt(producerId),
      producerEpoch,
      nextSequence: 0,
      open: undefined,
    };
    this.#lines.set(name, line);
    return line;
  }

  /** Sends what is not settled yet, in order. Returns what stopped it. */
  async #send(
    topic: string,
    partition: number,
    line: Line,
    call: NonNullable<Line['open']>,
    signal: AbortSignal,
  ): Promise<unknown> {
    for (let index = 0; index < call.segments.length; ) {
      const part = call.segments[index] as Segment;
      if (part.produced !== undefined || part.refused !== undefined) {
        index += 1;
        continue;
      }
      try {
        part.produced = await this.#sendOne(topic, partition, line, call.records, part, signal);
      } catch (error) {
        if (!messageTooLarge.includes(kafkaCode(error)) || part.unsure)
          return await this.#whatStopped(topic, partition, error, signal);
        // a batch that is too large as a whole is sent in halves; a record that is too large by itself is refused
        const half = Math.floor((part.from + part.to) / 2);
        if (part.to - part.from > 1)
          call.segments.splice(index, 1, segment(part.from, half), segment(half, part.to));
        else part.refused = error;
      }
    }
    return undefined;
  }

  async #sendOne(
    topic: string,
    partition: number,
    line: Line,
    records: readonly OutboundRecord[],
    part: Segment,
    signal: AbortSignal,
  ): Promise<Produced> {
    const leader = await abortable(this.#leaders.of(topic, partition), signal);
    const sequence = (part.sequence ??= line.nextSequence);
    line.nextSequence = Math.max(line.nextSequence, sequence + part.to - part.from);
    const batch = encodeBatch(
      records.slice(part.from, part.to),
      { ...line, firstSequence: sequence },
      Date.now(),
    );
    const sent = this.#carrier.send(
      leader,
      produceRequest(topic, partition, batch, this.#timeoutMs),
    );
    try {
      return await abortable(sent, signal);
    } catch (error) {
      if (kafkaCode(error) === duplicate && part.unsure) return { offset: nowhere, time: 0 };
      if (signal.aborted || publishFailure(error, '', {}).status === 'unknown') part.unsure = true;
      else if (!part.unsure) {
        line.nextSequence = sequence; // not stored, and the broker accepts no gap
        part.sequence = undefined;
      }
      throw error;
    }
  }

  /** A broker may not have heard of a new topic yet: only when the metadata agree is it gone. */
  async #whatStopped(
    topic: string,
    partition: number,
    error: unknown,
    signal: AbortSignal,
  ): Promise<unknown> {
    this.#leaders.suspect(topic);
    if (kafkaCode(error) !== unknownTopic) return error;
    try {
      await abortable(this.#leaders.of(topic, partition), signal);
      return new KafkaCode(notLeader);
    } catch (missing) {
      this.#lines.delete(lineName(topic, partition));
      return signal.aborted ? error : missing;
    }
  }
}

type Failure = ReturnType<typeof publishFailure>;

const nowhere = -1;

const lineName = (topic: string, partition: number): string => `${partition}:${topic}`;

function overlapping(topic: string, partition: number): Outcome {
  return {
    status: 'rejected',
    error: new BusError(
      'DUOBUS_BUG',
      `two calls at once append to partition ${partition} of topic '${topic}', the driver takes one (publish.calls)`,
      { outcome: 'rejected', context: { topic, partition } },
    ),
  };
}

const segment = (from: number, to: number): Segment => ({
  from,
  to,
  sequence: undefined,
  unsure: false,
  produced: undefined,
  refused: undefined,
});

function outcomesOf(
  segments: readonly Segment[],
  failure: Failure | undefined,
  explain: (error: unknown) => Failure,
): Outcome[] {
  return segments.flatMap(({ from, to, produced, refused }) =>
    Array.from({ length: to - from }, (_, index): Outcome => {
      if (produced !== undefined) {
        return produced.offset === nowhere
          ? { status: 'stored' }
          : { status: 'stored', place: { offset: produced.offset + index, time: produced.time } };
      }
      return refused === undefined && failure !== undefined ? failure : rejected(explain(refused));
    }),
  );
}

function rejected({ error }: Failure): Outcome {
  const { code, message, cause, retryable, context, outcome } = error;
  return {
    status: 'rejected',
    error:
      outcome === 'rejected'
        ? error
        : new BusError(code, message, { cause, retryable, context, outcome: 'rejected' }),
  };
}

function abandoned(signal: AbortSignal): Failure {
  const error = new BusError(
    'DUOBUS_TIMEOUT',
    'publishing was given up before the broker answered',
    { cause: signal.reason, outcome: 'unknown', retryable: true },
  );
  return { status: 'unknown', error };
}
