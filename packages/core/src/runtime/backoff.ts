export interface Backoff {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

export const retryBackoff: Backoff = { firstMs: 100, factor: 3, maxMs: 60_000 };
export const reconnectBackoff: Backoff = { firstMs: 50, factor: 2, maxMs: 5_000 };

/** Delay before the n-th repetition (n from 1), with full jitter: somewhere between 0 and the exponential bound. */
export function delayOf(backoff: Backoff, n: number, random: () => number = Math.random): number {
  const bound = Math.min(backoff.maxMs, backoff.firstMs * backoff.factor ** Math.min(n - 1, 60));
  return Math.round(random() * bound);
}
