/*
 * What stores in SQL databases share: rows as they come from the driver, and what is done with them.
 */
import { BusError } from '@duobus/core';
import type { FailedRow, OutboxBatch, OutboxLag, OutboxRow, SetAsideReason } from './store.ts';

/** A row as a driver gives it: columns are named as the members of what they become, with `_` for their capitals. */
export type SqlRow = Readonly<Record<string, unknown>>;

/**
 * A batch of what `find` finds: rows with `blocked` and, in each, how many `candidates` there were. Those of a lane in which
 * one is set aside are parked, and what comes after them is read: a million may wait behind one.
 */
export async function readUnblocked(
  find: () => Promise<readonly SqlRow[]>,
  park: (rows: readonly unknown[], found: SqlRow) => Promise<unknown>,
): Promise<OutboxBatch> {
  for (;;) {
    const found = await find();
    const [blocked, free] = [true, false].map((is) =>
      found.filter((row) => Boolean(row['blocked']) === is),
    ) as [SqlRow[], SqlRow[]];
    const [first] = found;
    if (first !== undefined && blocked.length > 0)
      await park(
        blocked.map(({ row }) => row),
        first,
      );
    const more = Number(first?.['candidates'] ?? 0) > found.length;
    if (free.length > 0 || !more) return { rows: free.map(outboxRow), more };
  }
}

function outboxRow(found: SqlRow): OutboxRow {
  return {
    row: found['row'] as string,
    id: found['id'] as string,
    bus: found['bus'] as OutboxRow['bus'],
    topic: found['topic'] as string,
    settings: found['settings'] as string,
    lane: (found['lane'] as string | null) ?? undefined,
    attributes: found['attributes'] as string,
    data: found['data'] as Uint8Array,
    bytes: found['bytes'] as number,
  };
}

export function failedRow(found: SqlRow): FailedRow {
  return {
    id: found['id'] as string,
    bus: found['bus'] as FailedRow['bus'],
    topic: found['topic'] as string,
    attributes: found['attributes'] as string,
    data: found['data'] as Uint8Array,
    reason: JSON.parse(found['reason'] as string) as SetAsideReason,
    failedAt: found['failed_at'] as number,
    row: found['row'] as string,
  };
}

/** Of counts of rows that wait, wait behind one that is set aside, have yet to be parked there, and are set aside. */
export function outboxLag(found: SqlRow | undefined): OutboxLag {
  const count = (name: string): number => Number(found?.[name] ?? 0);
  return {
    rows: count('waiting') + count('parked'),
    ms: Math.max(0, count('ms')),
    behind: count('parked') + count('unparked'),
    setAside: count('aside'),
  };
}

/** `call` begins the message. */
export function notMigrated(call: string, rows: string, cause: unknown): BusError {
  return new BusError(
    'DUOBUS_NOT_FOUND',
    `${call}: the tables of the outbox (${rows}) are missing or of another version: call outbox.migrate() first`,
    { cause },
  );
}

/** @throws BusError unless the tables are of the version that this package knows */
export function checkVersion(call: string, rows: string, found: unknown, known: number): void {
  if (found === known) return;
  throw new BusError(
    'DUOBUS_NOT_FOUND',
    `${call}: the tables of the outbox (${rows}) are of version ${String(found)}, this package needs another: upgrade it, or call outbox.migrate()`,
  );
}
