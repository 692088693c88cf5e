import type { Attributes } from '@duobus/core';
import {
  type Binding,
  BusError,
  type LogEvent,
  type LogRecord,
  type Outcome,
  type Place,
  type QueueEvent,
} from '@duobus/core/driver';

type Headers = Readonly<Record<string, unknown>>;

/** What passes the seam in either direction. */
export interface AnyRecord {
  readonly key: string | undefined;
  readonly headers: Headers;
  readonly body: Uint8Array | null;
}

/** Of what given record one was made: the answer to it is the answer to that. */
const origins = new WeakMap<object, object>();

const originOf = (record: object): object => origins.get(record) ?? record;

export function altered<T extends AnyRecord>(record: T, change: Partial<AnyRecord>): T {
  const made = { ...record, ...change };
  origins.set(made, originOf(record));
  return made;
}

/** What a mutant rejects with. */
export const notStored: BusError = new BusError(
  'DUOBUS_UNAVAILABLE',
  'a mutant says that it is not stored',
  { retryable: true, outcome: 'rejected' },
);

export const moved = (place: Place, by: number): Place => ({
  ...place,
  offset: Math.max(place.offset + by, 0),
});

/** So late that what a case does next is over, whatever the broker. */
export function later(work: () => Promise<unknown>): void {
  // By then it may all be closed: nobody is to be told.
  setTimeout(() => void work().catch(() => undefined), 5_000).unref();
}

/** Counts up: true for every n-th. */
export function everyNth(n: number): () => boolean {
  let count = 0;
  return () => {
    count += 1;
    return count % n === 0;
  };
}

/** Publishes another list than the one given, and answers for the one given. */
export async function publishInstead<T extends AnyRecord>(
  records: readonly T[],
  instead: readonly T[],
  publish: (records: readonly T[]) => Promise<readonly Outcome[]>,
): Promise<readonly Outcome[]> {
  const outcomes = instead.length === 0 ? [] : await publish(instead);
  return records.map((record): Outcome => {
    const at = instead.findIndex((sent) => originOf(sent) === record);
    return outcomes[at] ?? { status: 'stored' };
  });
}

/** Changes attributes and document, whatever their way on the wire. What is no CloudEvent is left alone. */
export function rebound<T extends AnyRecord>(
  record: T,
  binding: Binding,
  change: (
    attributes: Attributes,
    data: Uint8Array,
  ) => { readonly attributes?: object; readonly data?: Uint8Array },
): T {
  if (record.body === null) return record;
  let read: ReturnType<Binding['decode']>;
  try {
    read = binding.decode(record);
  } catch {
    return record;
  }
  const { attributes = read.attributes, data = read.data } = change(read.attributes, read.data);
  const before = binding.encode(read.attributes, read.data).headers;
  const after = binding.encode(attributes as Attributes, data);
  const others = Object.entries(record.headers).filter(([name]) => !Object.hasOwn(before, name));
  return altered(record, {
    headers: { ...Object.fromEntries(others), ...after.headers },
    body: after.body,
  });
}

/** Changes the records of events of a queue's member. */
export function mapQueue(
  events: readonly QueueEvent[],
  change: (
    records: Extract<QueueEvent, { type: 'records' }>['records'],
  ) => Extract<QueueEvent, { type: 'records' }>['records'],
): readonly QueueEvent[] {
  return events.map((event) =>
    event.type === 'records' ? { ...event, records: change(event.records) } : event,
  );
}

export function mapLog(
  events: readonly LogEvent[],
  change: (records: readonly LogRecord[], partition: number) => readonly LogRecord[],
): readonly LogEvent[] {
  return events.map((event) =>
    event.type === 'records'
      ? { ...event, records: change(event.records, event.partition) }
      : event,
  );
}
