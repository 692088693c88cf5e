import type { HistoryEntry, ReadOptions } from '../data-bus.ts';
import { decodeDocument } from '../decode.ts';
import { DecodeFailure } from '../decode.ts';
import type { Bounds, LogDriver, LogRecord, Place, ReadResult, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import { checkOptions } from '../internal/check-options.ts';
import { checkInteger, checkSignal } from '../internal/check-values.ts';
import { formatPosition } from '../position.ts';
import type { Receipt } from '../publish-options.ts';
import type { Topic } from '../topic.ts';
import type { Half } from './half.ts';
import { openRecord } from './runner.ts';
import { checkFrom, placesOf } from './starts.ts';

const chunkBytes = 1024 * 1024;
/** Clocks mostly agree that well: only where they do not, what was appended long before is read too. */
const closeMs = 1_000;

/** @throws TypeError for what `read` does not take; the rest is judged with its topic. */
export function checkReadOptions(options: ReadOptions): void {
  checkOptions('read', options, ['from', 'to', 'partition', 'limit', 'signal']);
  checkInteger('read', 'partition', options.partition, 0, Number.MAX_SAFE_INTEGER);
  checkInteger('read', 'limit', options.limit, 0, Number.MAX_SAFE_INTEGER);
  checkSignal('read', options.signal);
}

/** D13: history without a group. */
export async function* readHistory<Out>(
  half: Half<LogDriver>,
  topic: Topic<never, Out>,
  stored: StoredTopic,
  options: ReadOptions,
): AsyncGenerator<HistoryEntry<Out>> {
  checkInteger('read', 'partition', options.partition, 0, stored.partitions - 1);
  const { link, driver } = half;
  const { signal } = options;
  const start = checkFrom('read: from', options.from ?? 'earliest', stored);
  const stop = checkFrom('read: to', options.to ?? 'latest', stored);
  const bounds = await link.request((inner) => driver.bounds(stored, inner), { signal });
  const from = await placesOf('read: from', start, stored, bounds, link, driver, signal);
  const to = await placesOf('read: to', stop, stored, bounds, link, driver, signal);
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  const partitions = options.partition === undefined ? [...bounds.keys()] : [options.partition];
  for (const partition of partitions) {
    const begin = from.get(partition);
    if (begin === undefined) continue;
    const end = to.get(partition) ?? (bounds[partition] as Bounds).end;
    const exact = typeof start === 'object' && 'places' in start;
    for await (const record of scan(half, stored, partition, begin, end, signal, exact)) {
      if (left <= 0) return;
      left -= 1;
      yield await entryOf(half, topic, stored, partition, record);
    }
  }
}

/** `exact`: what is gone at `begin` is an error; otherwise retention may pass it before the first record is read. */
async function* scan(
  { link, driver }: Half<LogDriver>,
  topic: StoredTopic,
  partition: number,
  begin: Place,
  end: Place,
  signal: AbortSignal | undefined,
  exact: boolean,
): AsyncGenerator<LogRecord> {
  let from = begin;
  let begun = exact;
  while (from.offset < end.offset) {
    signal?.throwIfAborted();
    const at = from;
    let chunk: ReadResult;
    try {
      chunk = await link.request(
        (inner) => driver.read(topic, partition, at, { maxBytes: chunkBytes, maxWaitMs: 0 }, inner),
        { signal },
      );
    } catch (error) {
      if (begun || !BusError.is(error, 'DUOBUS_POSITION_GONE')) throw error;
      const bounds = await link.request((inner) => driver.bounds(topic, inner), { signal });
      from = (bounds[partition] as Bounds).first;
      if (from.offset <= at.offset) throw error;
      continue;
    }
    begun = true;
    const { records, next } = chunk;
    for (const record of records) {
      if (record.offset >= end.offset) return;
      yield record;
    }
    if (records.length === 0 && next.offset <= at.offset) return;
    from = next;
  }
}

async function entryOf<Out>(
  { driver }: Half<LogDriver>,
  topic: Topic<never, Out>,
  stored: StoredTopic,
  partition: number,
  record: LogRecord,
): Promise<HistoryEntry<Out>> {
  const base = {
    position: formatPosition(
      stored.incarnation,
      partition,
      record,
      driver.capabilities.placeNeedsTime,
    ),
    partition,
    appendedAt: record.time,
  };
  const { envelope, broken } = openRecord(record, driver.binding);
  const bytes = (): Uint8Array => new Uint8Array(record.body ?? []);
  if (envelope === undefined) return { ...base, error: broken as Error, bytes: bytes() };
  try {
    const content = await decodeDocument(topic, envelope);
    if (content.kind === 'skip')
      return {
        ...base,
        error: new BusError(
          'DUOBUS_DECODE',
          `topic '${topic.name}' has no type '${envelope.attributes.type}'`,
        ),
        bytes: bytes(),
      };
    return {
      ...base,
      document: content.document as Out,
      attributes: content.attributes,
      key: envelope.key,
    };
  } catch (error) {
    if (error instanceof DecodeFailure) return { ...base, error, bytes: bytes() };
    throw error;
  }
}

/** D12: the place of a document whose confirm carried none, found by reading from its time on, less the clocks' difference. */
export async function findRecord(
  half: Half<LogDriver>,
  topic: StoredTopic,
  receipt: Receipt,
  skewMs: number,
  signal: AbortSignal,
): Promise<Place> {
  const { link, driver } = half;
  const bounds = await link.request((inner) => driver.bounds(topic, inner), { signal });
  let end = bounds[receipt.partition]?.end;
  for (const backMs of [Math.min(closeMs, skewMs), skewMs]) {
    const time = Math.max(0, receipt.time - backMs);
    const places = await link.request((inner) => driver.placesAt(topic, time, inner), { signal });
    const begin = places[receipt.partition];
    if (begin === undefined || end === undefined) break;
    for await (const record of scan(half, topic, receipt.partition, begin, end, signal, false)) {
      if (openRecord(record, driver.binding).envelope?.attributes.id === receipt.id)
        return { offset: record.offset, time: record.time };
    }
    end = begin;
  }
  throw new BusError(
    'DUOBUS_POSITION_GONE',
    `document '${receipt.id}' is not in topic '${topic.name}': retention has removed it, or the receipt is of another broker`,
    { context: { topic: topic.name, id: receipt.id } },
  );
}
