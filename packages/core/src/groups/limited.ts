import { BusError } from '../errors.ts';
import type { Clock } from '../internal/clock.ts';

/** Runs `work` with a signal that is aborted after `ms`: a broker that is silent for that long is away. */
export async function limited<T>(
  clock: Clock,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const limit = new AbortController();
  const cancel = clock.after(ms, () =>
    limit.abort(
      new BusError('DUOBUS_UNAVAILABLE', `the broker has not answered for ${ms} ms`, {
        retryable: true,
      }),
    ),
  );
  try {
    return await work(
      signal === undefined ? limit.signal : AbortSignal.any([limit.signal, signal]),
    );
  } finally {
    cancel();
  }
}
