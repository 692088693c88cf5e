import { abortable } from '@duobus/core/driver';

const firstPauseMs = 1;
const longestPauseMs = 10;

/** SQLITE_BUSY and SQLITE_LOCKED, as node:sqlite and as better-sqlite3 say it: another connection is in the way. */
export function isBusy(error: unknown): boolean {
  const { errcode, code } = (error ?? {}) as {
    readonly errcode?: unknown;
    readonly code?: unknown;
  };
  if (typeof errcode === 'number') return (errcode & 0xff) === 5 || (errcode & 0xff) === 6;
  return typeof code === 'string' && /^SQLITE_(?:BUSY|LOCKED)/.test(code);
}

/**
 * Tries again while another connection is in the way, for `ms`: then it rejects with what SQLite has said. SQLite's own way
 * to wait would stop the whole process.
 */
export async function whileBusy<T>(ms: number, work: () => T, signal?: AbortSignal): Promise<T> {
  const over = performance.now() + ms;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || performance.now() >= over) throw error;
    }
    await pause(pauseMs * (0.5 + Math.random() / 2), signal);
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  try {
    await abortable(over, signal);
  } finally {
    clearTimeout(timer);
  }
}
