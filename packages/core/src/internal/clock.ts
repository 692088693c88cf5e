/** Time as the runtime sees it, so that tests and embedded brokers can control it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls `fn` once, after `ms`. The returned function cancels. */
  after(ms: number, fn: () => void): () => void;
}

const longestTimer = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(ms, 0), longestTimer));
    return () => clearTimeout(timer);
  },
};
