import { type Clock, systemClock } from '@duobus/core/driver';

/** What `work` comes to, unless it takes longer than `ms`: then it rejects with `late()`. */
export async function limited<T>(
  work: () => T | Promise<T>,
  ms: number,
  late: () => Error,
  clock: Clock = systemClock,
): Promise<T> {
  let cancel = (): void => undefined;
  const end = new Promise<never>((_, reject) => {
    cancel = clock.after(Math.max(ms, 0), () => reject(late()));
  });
  try {
    return await Promise.race([work(), end]);
  } finally {
    cancel();
  }
}
