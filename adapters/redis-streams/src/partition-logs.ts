import type { Bounds, LogRecord, Place, StoredTopic } from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { appendedChannel, partitionKeys } from './keys.ts';
import {
  adoptScript,
  boundsScript,
  buryScript,
  placeAtScript,
  prepareScript,
  timeOfScript,
} from './partition-scripts.ts';
import { decodeRecord, isOurs } from './record-codec.ts';
import type { Script } from './script.ts';
import { topicGone } from './topic-registry.ts';

/** What one look at a partition has found. */
export interface Found {
  readonly records: readonly LogRecord[];
  readonly next: Place;
  readonly atEnd: boolean;
  /** As it was just before. */
  readonly bounds: Bounds;
}

type Entry = readonly [id: Buffer, fields: readonly Buffer[]];

const mostRecords = 1_000;
const latestMs = 2 ** 53 - 1;

/** The streams of data topics, read and looked after. */
export class PartitionLogs {
  readonly #connection: Connection;
  /** By stream: how many entries came to about as many bytes as were asked for. */
  readonly #counts = new Map<string, number>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Makes the streams ready that a topic has by its record, and tells them its retention. Resolves to another topic of
   *  this name whose records are in them, if there is one: then it is not ready. */
  async prepare(
    topic: StoredTopic,
  ): Promise<Pick<StoredTopic, 'incarnation' | 'partitions'> | void> {
    const { incarnation, retention, compacted, partitions } = topic;
    const { maxAgeMs, maxBytes } = retention;
    const args = [incarnation, maxAgeMs ?? '', maxBytes ?? '', compacted ? '1' : '0', partitions];
    const replies = await Promise.all(
      partitionsOf(topic).map(
        (partition) =>
          this.#connection.runKept(
            'commands',
            prepareScript,
            Object.values(partitionKeys(topic, partition)) as string[],
            args,
            `make partition ${partition} of topic '${topic.name}'`,
          ) as Promise<readonly [status: string, incarnation: string, partitions: number]>,
      ),
    );
    const other = replies.find(([status]) => status === 'other');
    return other && { incarnation: other[1], partitions: other[2] };
  }

  async bounds(topic: StoredTopic, partition: number): Promise<Bounds> {
    return (await this.#look(topic, partition)).bounds;
  }

  /** The first record of that time or later, else the end. */
  async placeAt(topic: StoredTopic, partition: number, timeMs: number): Promise<Place> {
    const ms = Math.min(Math.max(0, Math.ceil(timeMs)), latestMs);
    const [time, offset] = await this.#run(placeAtScript, topic, partition, [
      topic.incarnation,
      ms,
    ]);
    return { offset: offset as number, time: time as number };
  }

  /** About as many bytes of records as asked for, from a place on. What is not there any more is left to the caller:
   *  `bounds` says so. */
  async read(topic: StoredTopic, partition: number, from: Place, maxBytes: number): Promise<Found> {
    const { log } = partitionKeys(topic, partition);
    const count = this.#counts.get(log) ?? 32;
    const start = await this.#idOf(topic, partition, from);
    const looking = this.#look(topic, partition);
    if (topic.compacted) await looking;
    const [{ bounds: before, more }, entries] = await Promise.all([
      looking,
      this.#range(topic, partition, start, count),
    ]);
    const atEnd = entries.length < count;
    if (more && (await this.#bury(topic, partition, entries, atEnd)))
      return this.read(topic, partition, from, maxBytes);
    const records: LogRecord[] = [];
    const foreign: Buffer[] = [];
    for (const [id, fields] of entries) {
      if (!isOurs(fields)) {
        foreign.push(id);
        continue;
      }
      const { offset, time } = placeOf(id);
      const { key, headers, body } = decodeRecord(fields, 2);
      if (offset >= from.offset) records.push({ key, headers, body, offset, time });
    }
    this.#learn(log, count, entries, maxBytes);
    // where some are missing they may have been removed since the first look, or been added
    const gap = (records[0]?.offset ?? before.end.offset) > from.offset;
    const bounds = gap && !topic.compacted ? await this.bounds(topic, partition) : before;
    if (foreign.length > 0) await this.#adopt(topic, partition, foreign);
    return {
      records,
      // of a compacted topic the last ones may be missing; its end was looked for before its records
      next: nextOf(records, from, atEnd && topic.compacted ? bounds.end : from),
      atEnd: atEnd && foreign.length === 0,
      bounds,
    };
  }

  async #look(
    topic: StoredTopic,
    partition: number,
  ): Promise<{ readonly bounds: Bounds; readonly more: boolean }> {
    const [first, firstMs, next, ms, more] = (await this.#run(boundsScript, topic, partition, [
      topic.incarnation,
    ])) as readonly [number, number, number, number, number];
    const end = { offset: next, time: ms };
    const bounds = { first: first === next ? end : { offset: first, time: firstMs }, end };
    return { bounds, more: more === 1 };
  }

  /** A server that dies in the middle of a write and is started twice has a part of it after all, followed by what was
   *  stored in its place: of entries with one ordinal only the last counts. Removes the others among these, and says
   *  whether there were any. */
  async #bury(
    topic: StoredTopic,
    partition: number,
    entries: readonly Entry[],
    atEnd: boolean,
  ): Promise<boolean> {
    const ghosts: string[] = [];
    let later = atEnd ? Infinity : await this.#ordinalAfter(topic, partition, entries);
    for (const entry of entries.toReversed()) {
      if (!isOurs(entry[1])) continue;
      const { offset } = placeOf(entry[0]);
      if (offset < later) later = offset;
      else ghosts.push(String(entry[0]));
    }
    if (ghosts.length === 0) return false;
    const args = [topic.incarnation, appendedChannel(topic), partition, ...ghosts];
    await this.#run(buryScript, topic, partition, args);
    return true;
  }

  /** All of one write have one time: what comes after it shows whether it counts. */
  async #ordinalAfter(
    topic: StoredTopic,
    partition: number,
    entries: readonly Entry[],
  ): Promise<number> {
    const { time } = placeOf((entries.at(-1) as Entry)[0]);
    const [next] = await this.#range(topic, partition, `${time + 1}-0`, 1);
    return next === undefined || !isOurs(next[1]) ? Infinity : placeOf(next[0]).offset;
  }

  async #range(
    topic: StoredTopic,
    partition: number,
    start: string,
    count: number,
  ): Promise<readonly Entry[]> {
    const { log } = partitionKeys(topic, partition);
    return this.#connection.with(
      'commands',
      `read partition ${partition} of topic '${topic.name}'`,
      async (client) =>
        (await client.xrangeBuffer(log, start, '+', 'COUNT', count)) as unknown as Entry[],
    );
  }

  /** Entries that somebody else has added get an ordinal, and so a place. */
  async #adopt(topic: StoredTopic, partition: number, ids: readonly Buffer[]): Promise<void> {
    await this.#run(adoptScript, topic, partition, [
      topic.incarnation,
      appendedChannel(topic),
      partition,
      ...ids.map(String),
    ]);
  }

  /** Ids begin with a time, which a place need not have. */
  async #idOf(topic: StoredTopic, partition: number, { offset, time }: Place): Promise<string> {
    if (time > 0 || offset === 0) return `${time}-${offset}`;
    const [ms] = await this.#run(timeOfScript, topic, partition, [topic.incarnation, offset]);
    return `${String(ms)}-${offset}`;
  }

  /** Redis counts entries, not bytes: the next count follows from the last. It grows slowly, so that large documents
   *  after small ones do not come all at once. */
  #learn(log: string, count: number, entries: readonly Entry[], maxBytes: number): void {
    if (entries.length === 0) return;
    let bytes = 0;
    for (const [, fields] of entries) for (const field of fields) bytes += field.length;
    const fitting = Math.floor((maxBytes / Math.max(1, bytes)) * entries.length);
    this.#counts.set(log, Math.max(1, Math.min(fitting, count * 4, mostRecords)));
  }

  async #run(
    code: Script,
    topic: StoredTopic,
    partition: number,
    args: readonly (string | number)[],
  ): Promise<readonly (string | number)[]> {
    const [status, ...reply] = (await this.#connection.run(
      'commands',
      code,
      Object.values(partitionKeys(topic, partition)) as string[],
      args,
      `look at partition ${partition} of topic '${topic.name}'`,
    )) as [string, ...(string | number)[]];
    if (status === 'gone') throw topicGone('data', topic.name);
    return reply;
  }
}

export function partitionsOf({ partitions }: StoredTopic): readonly number[] {
  return Array.from({ length: partitions }, (_, partition) => partition);
}

function placeOf(id: Buffer): Place {
  const text = id.toString('latin1');
  const dash = text.indexOf('-');
  return { time: Number(text.slice(0, dash)), offset: Number(text.slice(dash + 1)) };
}

function nextOf(records: readonly LogRecord[], from: Place, end: Place): Place {
  const last = records.at(-1);
  const next = last === undefined ? from : { offset: last.offset + 1, time: last.time };
  return end.offset > next.offset ? end : next;
}
