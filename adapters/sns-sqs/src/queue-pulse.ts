/** How often it is seen that this process runs. */
const beatMs = 250;
/** A gap of more than this is a standstill: the process was stopped, or its code did not return. */
const stoodMs = 1_000;
/** No request waits for so long. */
const rememberedMs = 60_000;

/**
 * Tells since when, at the latest, what has just arrived may have been under way: SQS takes messages for a request at any
 * time while that waits, and the reply is read at once, unless this process stands still.
 */
export class Pulse {
  #users = 0;
  #timer: NodeJS.Timeout | undefined;
  #seenAt = performance.now();
  /** The last moment before each standstill, and the first after it: none is older than a request may be. */
  #stood: readonly { readonly from: number; readonly until: number }[] = [];

  /** One timer for all who have started and not stopped. */
  start(): void {
    this.#users += 1;
    if (this.#users > 1) return;
    this.#seenAt = performance.now();
    this.#timer = setInterval(() => this.#look(), beatMs);
    this.#timer.unref();
  }

  stop(): void {
    this.#users -= 1;
    if (this.#users === 0) clearInterval(this.#timer);
  }

  /** For the reply to a request that was sent at `sentAt`, by `performance.now()`: when its messages may have been taken, if
   *  it was not longer on its way than `delayMs`. */
  takenAt(sentAt: number, delayMs: number): number {
    const now = this.#look();
    const first = this.#stood.find(({ until }) => until >= sentAt);
    return Math.max(sentAt, (first?.from ?? now) - delayMs);
  }

  #look(): number {
    const now = performance.now();
    if (now - this.#seenAt > stoodMs) {
      const recent = this.#stood.filter(({ until }) => until > now - rememberedMs);
      this.#stood = [...recent, { from: this.#seenAt, until: now }];
    }
    this.#seenAt = now;
    return now;
  }
}
