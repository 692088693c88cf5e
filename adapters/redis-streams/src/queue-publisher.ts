import { randomUUID } from 'node:crypto';
import {
  abortable,
  BusError,
  type Outcome,
  type OutboundRecord,
  type StoredTopic,
} from '@duobus/core/driver';
import type { Connection, ScriptArgument } from './connection.ts';
import { publishScript } from './event-scripts.ts';
import { isCertain } from './native-errors.ts';
import { eventTag } from './queue-scope.ts';
import { encodeRecord } from './record-codec.ts';

/** How long the server remembers what a publisher has stored last: much longer than any publish is tried. */
const rememberedMs = 3_600_000;

/** What the server knows this process by, in one partition. */
interface Line {
  readonly publisher: string;
  sequence: number;
  /** What was given it last, if that is not known to be stored or refused. */
  open: readonly OutboundRecord[] | undefined;
  /** A reply was missed: what is open may be stored, whatever is said to the next try. */
  unsure: boolean;
}

const stored: Outcome = Object.freeze({ status: 'stored' });

/** Stores batches, each in one script: all of a batch is stored, or nothing. One call per partition at a time. */
export class QueuePublisher {
  readonly #connection: Connection;
  readonly #lines = new Map<string, Line>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async publish(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    const line = this.#line(topic, partition, records);
    try {
      await abortable(this.#store(topic, partition, line, records), signal);
      line.open = undefined;
      line.unsure = false;
      return records.map(() => stored);
    } catch (error) {
      const outcome = signal.aborted ? undefined : outcomeOf(error);
      if (outcome?.status !== 'rejected') line.unsure = true;
      else if (!line.unsure) line.open = undefined;
      if (outcome === undefined) throw error;
      return records.map(() => outcome);
    }
  }

  /** The same array has the same sequence; another one, while something is open, gets a line of its own: what is open
   *  may be stored late, and must not be taken for what comes after it. */
  #line(topic: StoredTopic, partition: number, records: readonly OutboundRecord[]): Line {
    const name = `${partition}:${topic.name}`;
    let line = this.#lines.get(name);
    if (line?.open === records) return line;
    if (line === undefined || line.open !== undefined) {
      line = { publisher: randomUUID(), sequence: 0, open: undefined, unsure: false };
      this.#lines.set(name, line);
    }
    line.sequence += 1;
    line.open = records;
    return line;
  }

  async #store(
    topic: StoredTopic,
    partition: number,
    { publisher, sequence }: Line,
    records: readonly OutboundRecord[],
  ): Promise<void> {
    const args: ScriptArgument[] = [partition, publisher, sequence, rememberedMs];
    for (const record of records) {
      const fields = encodeRecord(record);
      args.push(fields.length, ...fields);
    }
    const tried = `publish to topic '${topic.name}'`;
    await this.#connection.runKept('publishing', publishScript, [eventTag(topic)], args, tried);
  }
}

/** What the server itself refuses it has not stored. */
function outcomeOf(error: unknown): Outcome {
  const known = BusError.is(error)
    ? error
    : new BusError('DUOBUS_BUG', 'publishing failed', { cause: error });
  return { status: isCertain(known) ? 'rejected' : 'unknown', error: known };
}
