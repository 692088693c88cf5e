import { abortable, BusError } from '@duobus/core/driver';
import { isBusy } from './inbox-errors.ts';

const firstPauseMs = 1;
const longestPauseMs = 10;

/**
 * Tries again while another connection is in the way. SQLite's own way to wait would stop the whole process.
 * @throws BusError DUOBUS_UNAVAILABLE when it has been in the way for `ms`
 */
export async function whileBusy<T>(
  ms: number,
  path: string,
  work: () => T,
  signal?: AbortSignal,
): Promise<T> {
  const over = performance.now() + ms;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (performance.now() >= over)
        throw new BusError(
          'DUOBUS_UNAVAILABLE',
          `sqliteInbox: others have written to ${path} for ${ms} ms (busyTimeoutMs): keep transactions short`,
          { cause: error, retryable: true, context: { path, busyTimeoutMs: ms } },
        );
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
