import type { Timers } from '../internal/timers.ts';

/** What a broker that does not answer may delay the end of a member at each step, in ms. */
export const endMs = 5_000;

/** Resolves to true when `promise` has settled, to false after `ms`. What it rejects with is its other readers' matter. */
export function within(timers: Timers, ms: number, promise: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = timers.after(ms, () => resolve(false));
    const end = (): void => {
      cancel();
      resolve(true);
    };
    promise.then(end, end);
  });
}
