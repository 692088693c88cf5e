import type { LogEvent, LogRecord, OutboundRecord, Outcome, QueueEvent } from '@duobus/core/driver';

/** Counts up: true for every n-th. */
export function everyNth(n: number): () => boolean {
  let count = 0;
  return () => {
    count += 1;
    return count % n === 0;
  };
}

/** Publishes another list than the one given, and answers for the one given. */
export async function publishInstead(
  records: readonly OutboundRecord[],
  instead: readonly OutboundRecord[],
  publish: (records: readonly OutboundRecord[]) => Promise<readonly Outcome[]>,
): Promise<readonly Outcome[]> {
  const outcomes = instead.length === 0 ? [] : await publish(instead);
  return records.map(
    (record): Outcome => outcomes[instead.indexOf(record)] ?? { status: 'stored' },
  );
}

/** The document's number is not known at the seam, but that it is a document of the suite is. */
export function isDocument({ body }: { readonly body: Uint8Array | null }): boolean {
  return body !== null && new TextDecoder().decode(body.subarray(0, 16)).startsWith('{"run"');
}

export function withoutHeader<T extends { readonly headers: Readonly<Record<string, unknown>> }>(
  record: T,
  header: string,
): T {
  return {
    ...record,
    headers: Object.fromEntries(Object.entries(record.headers).filter(([name]) => name !== header)),
  };
}

/** One bit of the last byte. */
export function spoilt<T extends { readonly body: Uint8Array | null }>(record: T): T {
  const body = record.body?.slice() ?? null;
  const last = (body?.length ?? 0) - 1;
  if (body !== null && last >= 0) body[last] = (body[last] ?? 0) ^ 1;
  return { ...record, body };
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
