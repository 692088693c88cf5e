import type { Kind } from './protocol.ts';

/** How long documents took, in milliseconds. */
export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** From the call of `publish` to the end of the handler, one document at a time, for a consumer that waits for it. */
export type Staleness = { readonly [kind in Kind]?: Latency };

/** @throws TypeError for no times at all */
export function latencyOf(times: readonly number[]): Latency {
  if (times.length === 0) throw new TypeError('latencyOf: there must be at least one time');
  const sorted = times.toSorted((a, b) => a - b);
  // Nearest rank: what is told was really measured.
  const rank = (part: number): number => sorted[Math.ceil(part * sorted.length) - 1] as number;
  const rounded = (ms: number): number => Number(ms.toFixed(2));
  return {
    count: sorted.length,
    p50: rounded(rank(0.5)),
    p99: rounded(rank(0.99)),
    max: rounded(rank(1)),
  };
}
