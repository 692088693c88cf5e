import type { DeadReason } from '../dead-letters.ts';
import type {
  InboundRecord,
  LogDriver,
  LogRecord,
  OutboundRecord,
  Place,
  StoredTopic,
} from '../driver.ts';
import { BusError } from '../errors.ts';
import type { Link } from './link.ts';
import type { Publisher } from './publisher.ts';

/*
 * The dead letters of a data bus group are a compacted topic of one partition: the newest line of a key is what holds.
 * `dead` is a dead letter, `redrive` one that is to be handled again by the owner of its partition, `redriving` says how
 * far the owner has come with it, no body is gone.
 */

const header = 'duobus-letter';
const longestMessage = 500;
const chunkBytes = 1024 * 1024;

export interface Letter {
  readonly status: 'dead' | 'redrive' | 'redriving';
  readonly partition: number;
  readonly place: Place;
  readonly epoch: number;
  readonly reason: DeadReason;
  readonly message: string;
  /** Failed runs; after a redrive those since then. */
  readonly attempts: number;
  readonly crashes: number;
  readonly deadAt: number;
}

/** Cannot be the name of a topic of the user's; the length tells where the topic's name ends, so no two pairs meet. */
export function deadLogName(topic: string, group: string): string {
  return `duobus.dead.${topic.length}.${topic}.${group}`;
}

/** Through the publisher, like all that is appended: in turn, and in few calls where many are written at once. */
export async function writeLine(
  publisher: Publisher,
  log: StoredTopic,
  record: OutboundRecord,
  signal?: AbortSignal,
): Promise<void> {
  const bytes = record.body?.length ?? 0;
  await publisher.publish(log, 0, record, bytes, publisher.deadline(), signal);
}

export function encodeLetter(
  identity: string,
  letter: Letter,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): OutboundRecord {
  const { status, partition, place, epoch, reason, message, attempts, crashes, deadAt } = letter;
  const text = JSON.stringify({
    v: 1,
    s: status,
    p: partition,
    o: place.offset,
    t: place.time,
    e: epoch,
    r: reason,
    m: message.slice(0, longestMessage),
    a: attempts,
    x: crashes,
    d: deadAt,
  });
  return { key: identity, headers: { ...headers, [header]: text }, body };
}

/** @throws BusError DUOBUS_DECODE for a version this code does not know. */
export function decodeLetter(record: InboundRecord): Letter {
  const value = record.headers[header];
  let raw: {
    v?: unknown;
    s: Letter['status'];
    p: number;
    o: number;
    t: number;
    e: number;
    r: DeadReason;
    m: string;
    a: number;
    x: number;
    d: number;
  };
  try {
    raw = JSON.parse(textOf(value)) as typeof raw;
  } catch (cause) {
    throw new BusError(
      'DUOBUS_DECODE',
      'a dead letter has no readable description: was it written by something else than duobus?',
      { cause },
    );
  }
  if (raw?.v !== 1)
    throw new BusError(
      'DUOBUS_DECODE',
      `a dead letter has version ${String(raw?.v)}, this version of duobus reads 1: upgrade this process`,
    );
  return {
    status: raw.s,
    partition: raw.p,
    place: { offset: raw.o, time: raw.t },
    epoch: raw.e,
    reason: raw.r,
    message: raw.m,
    attempts: raw.a,
    crashes: raw.x,
    deadAt: raw.d,
  };
}

/** Header values as text, without what is ours. */
export function plainHeaders(headers: Readonly<Record<string, unknown>>): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (name !== header && value !== undefined && value !== null) plain[name] = textOf(value);
  return plain;
}

function textOf(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  return Array.isArray(value) ? textOf(value.at(-1)) : String(value);
}

/** The whole log as it is now, in order. */
export async function* scanLog(
  driver: LogDriver,
  link: Link,
  topic: StoredTopic,
  signal?: AbortSignal,
): AsyncGenerator<LogRecord> {
  const [bounds] = await link.request((inner) => driver.bounds(topic, inner), { signal });
  if (bounds === undefined) return;
  let from = bounds.first;
  while (from.offset < bounds.end.offset) {
    const at = from;
    const { records, next } = await link.request(
      (inner) => driver.read(topic, 0, at, { maxBytes: chunkBytes, maxWaitMs: 0 }, inner),
      { signal },
    );
    for (const record of records) if (record.offset < bounds.end.offset) yield record;
    if (records.length === 0 && next.offset <= at.offset) return;
    from = next;
  }
}
