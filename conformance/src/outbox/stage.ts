import type { NewRow, OutboxStore } from '@duobus/outbox';

/** A transaction of the caller's that is open. */
export interface OpenTransaction<Tx> {
  readonly tx: Tx;
  commit(): unknown;
  rollback(): unknown;
}

/** An outbox without rows, of its own tables, for one case. */
export interface OutboxStage<Tx = unknown> {
  readonly store: OutboxStore<Tx>;
  /** A store over the same tables, as another process would have it. */
  readonly other: OutboxStore<Tx>;
  begin(): Promise<OpenTransaction<Tx>> | OpenTransaction<Tx>;
  /** Lets go of everything. */
  close(): unknown;
}

/** What the suite has to know of a store. */
export interface OutboxHarness<Tx = unknown> {
  readonly name: string;
  /** Tables that no other case uses, and that are not there yet. */
  open(): Promise<OutboxStage<Tx>> | OutboxStage<Tx>;
  /** 'one': a second transaction that writes has to wait for the first, as in SQLite. Default 'many'. */
  readonly writers?: 'one' | 'many';
  /** Multiplies how long the suite waits for what has to happen. Default 1. */
  readonly slow?: number;
  /** False where there is nothing to migrate, as in memory. Default true. */
  readonly tables?: boolean;
}

/** A row as the outbox makes it. */
export function rowWith(id: string, about: Partial<NewRow> = {}): NewRow {
  return {
    id,
    bus: 'event',
    topic: 'orders',
    settings: '{"v":1}',
    lane: undefined,
    attributes: JSON.stringify({ specversion: '1.0', id, source: '/suite', type: 'orders' }),
    data: Buffer.from(`"${id}"`),
    bytes: 100,
    ...about,
  };
}

/** Rows, in one transaction that commits. */
export async function write<Tx>(stage: OutboxStage<Tx>, rows: readonly NewRow[]): Promise<void> {
  const { tx, commit, rollback } = await stage.begin();
  try {
    await stage.store.insert(tx, rows);
  } catch (error) {
    await rollback();
    throw error;
  }
  await commit();
}

/** What is read: the ids, with the rows that name them. */
export interface Seen {
  readonly ids: readonly string[];
  readonly rows: readonly string[];
  readonly more: boolean;
}

export async function read(
  store: OutboxStore<never>,
  fence: number,
  about: Partial<Parameters<OutboxStore['read']>[1]> = {},
): Promise<Seen> {
  const request = { rows: 1_000, bytes: 10_000_000, heldRows: [], heldLanes: [], ...about };
  const { rows, more } = await store.read(fence, request);
  return { ids: rows.map(({ id }) => id), rows: rows.map(({ row }) => row), more };
}

/** Looks again until it holds. */
export async function until(
  { slow = 1 }: OutboxHarness<never>,
  what: string,
  holds: () => Promise<boolean>,
): Promise<void> {
  const end = Date.now() + 20_000 * slow;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
