/** The shortest time a delay queue holds, in ms. */
const first = 100;
const count = 25;

/** Each holds twice as long as the one before, so that a retry comes at most twice as late as it was wanted. */
const tiers: readonly number[] = Array.from({ length: count }, (_, index) => first * 2 ** index);

/** About 19 days. */
export const longestDelayMs: number = first * 2 ** (count - 1);

/** Those that the default backoff uses: made together, since a new queue has to be waited for. */
const usual: readonly number[] = tiers.filter((tier) => tier <= 102_400);

/** The delay queues to make when `tier` is needed for the first time. */
export function madeWith(tier: number): readonly number[] {
  return usual.includes(tier) ? usual : [tier];
}

/** The delay queue for `ms`: never too short. `undefined` where no delay is wanted. */
export function tierFor(ms: number): number | undefined {
  if (ms <= 0) return undefined;
  return tiers.find((tier) => tier >= ms) ?? longestDelayMs;
}
