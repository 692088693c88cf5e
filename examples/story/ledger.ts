/** What a service has done, and how long after the publish. The story's figures come from here and nowhere else. */
export class Ledger {
  readonly service: string;
  readonly #handled = new Map<string, number>();
  readonly #latencies: number[] = [];
  #runs = 0;
  #interrupted = 0;

  constructor(service: string) {
    this.service = service;
  }

  /** Handler runs that came to their end, repetitions included. */
  get runs(): number {
    return this.#runs;
  }

  /** Different orders handled. */
  get orders(): number {
    return this.#handled.size;
  }

  /** Time from publish to handled of every order's first run, in ms, ascending. */
  get latencies(): readonly number[] {
    return this.#latencies.toSorted((a, b) => a - b);
  }

  /** Handler runs that were cut off before their end. */
  get interrupted(): number {
    return this.#interrupted;
  }

  interrupt(): void {
    this.#interrupted += 1;
  }

  has(orderId: string): boolean {
    return this.#handled.has(orderId);
  }

  note(orderId: string, publishedAt: number | undefined): void {
    const times = this.#handled.get(orderId) ?? 0;
    if (times === 0 && publishedAt !== undefined)
      this.#latencies.push(performance.now() - publishedAt);
    this.#handled.set(orderId, times + 1);
    this.#runs += 1;
  }

  /** The orders of `all` that this service has never handled: what is lost. */
  missing(all: Iterable<string>): string[] {
    return [...all].filter((orderId) => !this.#handled.has(orderId));
  }
}
