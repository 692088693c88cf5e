import { type Clock, systemClock } from '@duobus/core/driver';
import { Patience } from './patience.ts';

/** What `work` comes to, unless it takes longer than `ms`: then it rejects with `late()`. */
export async function limited<T>(
  work: () => T | Promise<T>,
  ms: number,
  late: () => Error,
  clock: Clock = systemClock,
): Promise<T> {
  const patience = new Patience(ms, clock);
  let cancel = (): void => undefined;
  const end = new Promise<never>((_, reject) => {
    const look = (): void => {
      const { leftMs } = patience;
      if (leftMs <= 0) reject(late());
      else cancel = clock.after(leftMs, look);
    };
    look();
  });
  try {
    return await Promise.race([work(), end]);
  } finally {
    cancel();
  }
}
