/*
 * What is used of a connection to SQLite: DatabaseSync of node:sqlite and Database of better-sqlite3 are such.
 */

export interface SqliteStatement {
  run(...parameters: (string | number | bigint | null | Uint8Array)[]): unknown;
  all(...parameters: (string | number | bigint | null | Uint8Array)[]): unknown[];
}

export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
}
