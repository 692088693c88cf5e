import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureFolder, home } from './paths.ts';
import { identify, isAlive, type ProcessId } from './processes.ts';
import { until } from './until.ts';

let serial = 0;
const unique = (path: string): string => `${path}.${process.pid}.${(serial += 1)}`;

function ownerOf(path: string): ProcessId | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessId;
  } catch {
    return undefined;
  }
}

/** A hard link is made whole or not at all, so nobody ever sees a lock without its owner. */
function take(path: string): boolean {
  const mine = unique(path);
  writeFileSync(mine, JSON.stringify(identify(process.pid)));
  try {
    linkSync(mine, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(mine, { force: true });
  }
}

/** Removes the lock of a dead owner; if another process was faster, its lock is put back. */
function clearStale(path: string): void {
  const owner = ownerOf(path);
  if (owner === undefined || isAlive(owner)) return;
  const aside = unique(path);
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  const removed = ownerOf(aside);
  if (removed !== undefined && isAlive(removed)) linkSync(aside, path);
  rmSync(aside, { force: true });
}

/** Runs the body while no other process holds the lock of that name. */
export async function withLock<T>(name: string, body: () => Promise<T> | T): Promise<T> {
  const path = join(ensureFolder(join(home, 'lock')), name);
  await until(
    () => {
      if (take(path)) return true;
      clearStale(path);
      return false;
    },
    { timeoutMs: 900_000, what: `the lock ${name}, held by pid ${ownerOf(path)?.pid}` },
  );
  try {
    return await body();
  } finally {
    rmSync(path, { force: true });
  }
}
