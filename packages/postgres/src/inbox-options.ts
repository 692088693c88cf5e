import { OptionReader } from '@duobus/core/driver';

export interface PostgresInboxOptions {
  /** The table of the marks: a-z, 0-9 and _, at most 40. Default `duobus_inbox`. */
  readonly table?: string;
  /** The schema it is in: a-z, 0-9 and _, at most 63. Default: what the search path of the connections says. */
  readonly schema?: string;
  /** How long a mark is kept, in ms, by the clock of the database; `null` is for ever. Must not be below the retention of
   *  the topics. Default 604,800,000 (7 days), which is how long a topic keeps its documents by default. */
  readonly keepsForMs?: number | null;
  /** How long to wait for a connection of the pool, in ms; then DUOBUS_UNAVAILABLE. Default 10,000. */
  readonly connectTimeoutMs?: number;
}

export interface InboxSettings {
  /** Quoted, with its schema if there is one. */
  readonly table: string;
  /** Quoted, or `undefined`. */
  readonly schema: string | undefined;
  /** Of the index over the age of the marks, quoted. */
  readonly index: string;
  readonly keepsForMs: number | null;
  readonly connectTimeoutMs: number;
}

const known = ['table', 'schema', 'keepsForMs', 'connectTimeoutMs'] as const;

/** @throws TypeError that says which option is wrong and what it takes. */
export function inboxSettings(given: PostgresInboxOptions | undefined): InboxSettings {
  const read = new OptionReader('postgresInbox', given, known);
  const name = (option: 'table' | 'schema', most: number): string | undefined => {
    const value = read.text(option, undefined);
    if (value === undefined || (/^[a-z_][a-z0-9_]*$/.test(value) && value.length <= most))
      return value;
    throw read.wrong(
      `${option} must be 1 to ${most} of a-z 0-9 _ beginning with a letter or _, got '${value.slice(0, 80)}'`,
    );
  };
  const table = name('table', 40) ?? 'duobus_inbox';
  const schema = name('schema', 63);
  const keepsForMs =
    read.value('keepsForMs') === null
      ? null
      : read.integer('keepsForMs', 604_800_000, 1, Number.MAX_SAFE_INTEGER);
  return {
    table: schema === undefined ? `"${table}"` : `"${schema}"."${table}"`,
    schema: schema === undefined ? undefined : `"${schema}"`,
    index: `"${table}_at"`,
    keepsForMs,
    connectTimeoutMs: read.integer('connectTimeoutMs', 10_000, 1),
  };
}
