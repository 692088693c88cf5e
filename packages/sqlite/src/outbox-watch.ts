import { isBusy } from './busy.ts';
import type { SqliteDatabase } from './outbox-database.ts';

/** SQLite tells nobody of a commit, but a number changes: to ask for it costs some microseconds. */
const everyMs = 50;

/** Calls `changed` when another connection has committed, in whatever process, until the signal is aborted. */
export function watch(
  database: SqliteDatabase,
  changed: () => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen: unknown;
    const end = (settle: () => void): void => {
      clearInterval(timer);
      signal.removeEventListener('abort', aborted);
      settle();
    };
    const look = (): void => {
      try {
        const [row] = database.prepare('pragma data_version').all();
        const version = (row as { readonly data_version?: unknown } | undefined)?.data_version;
        if (version === seen) return;
        seen = version;
        changed();
      } catch (error) {
        // somebody is writing: it is seen at the next look
        if (!isBusy(error)) end(() => reject(error));
      }
    };
    const aborted = (): void => end(resolve);
    const timer = setInterval(look, everyMs);
    signal.addEventListener('abort', aborted, { once: true });
    if (signal.aborted) aborted();
    else look();
  });
}
