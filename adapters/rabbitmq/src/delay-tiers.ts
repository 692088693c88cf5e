/** The shortest time a delay queue holds, in ms. */
const first = 100;
const count = 25;

/** Each holds twice as long as the one before, so that a retry comes at most twice as late as it was wanted. */
const tiers: readonly number[] = Array.from({ length: count }, (_, index) => first * 2 ** index);

/** About 19 days. */
export const longestDelayMs: number = first * 2 ** (count - 1);

/** The delay queue for `ms`: never too short. `undefined` where no delay is wanted. */
export function tierFor(ms: number): number | undefined {
  if (ms <= 0) return undefined;
  return tiers.find((tier) => tier >= ms) ?? longestDelayMs;
}
