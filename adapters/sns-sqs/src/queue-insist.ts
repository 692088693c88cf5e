import { setTimeout as pause } from 'node:timers/promises';
import { BusError } from '@duobus/core/driver';

/*
 * A member that is lost has everything it holds handed out again, as suspects: a single request that SQS or S3 did not
 * answer is no reason for that. So what a member does with what it holds is tried a few times. All of it can be done
 * twice.
 */

const tries = 5;
const firstPauseMs = 100;

/** How long to wait after so many failures in a row, in ms. */
export function pauseAfter(failures: number): number {
  const longest = Math.min(firstPauseMs * 3 ** (failures - 1), 5_000);
  return longest * (0.5 + Math.random() / 2);
}

export function isPassing(error: unknown): boolean {
  return BusError.is(error) && error.retryable && error.code !== 'DUOBUS_CLOSED';
}

/** Calls `run` again after an error that passes, a few times, unless the signal is aborted. */
export async function insist<Result>(
  run: (failures: number) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  for (let failures = 0; ; ) {
    try {
      return await run(failures);
    } catch (error) {
      failures += 1;
      if (failures >= tries || signal.aborted || !isPassing(error)) throw error;
      await pause(pauseAfter(failures), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) throw error;
    }
  }
}

/** What has just been made is not known everywhere at once: of a queue AWS says that it takes a second at least. */
const newMs = 15_000;
const lookMs = 500;

/** Calls `run` again for some time while it says that something does not exist. */
export async function untilKnown<Result>(
  run: () => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  for (const until = performance.now() + newMs; ; ) {
    try {
      return await run();
    } catch (error) {
      if (!BusError.is(error, 'DUOBUS_NOT_FOUND') || performance.now() > until) throw error;
      await pause(lookMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}
