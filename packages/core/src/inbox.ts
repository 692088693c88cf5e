/** The ordered inbox of a member: what a driver pushes, the runtime receives, in order, without loss. */
export class Inbox<Event> {
  #events: Event[] = [];
  #wake: (() => void) | undefined;

  /** Events waiting to be received. */
  get size(): number {
    return this.#events.length;
  }

  push(event: Event): void {
    this.#events.push(event);
    this.#wake?.();
  }

  /** Drops what waits and matches: for what a member takes back, such as records of a partition it has lost. */
  discard(matches: (event: Event) => boolean): void {
    this.#events = this.#events.filter((event) => !matches(event));
  }

  /** Everything pushed since the last call; waits while there is nothing. One call at a time. */
  async receive(signal: AbortSignal): Promise<readonly Event[]> {
    signal.throwIfAborted();
    if (this.#events.length === 0) await this.#something(signal);
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #something(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#wake = undefined;
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#wake = () => {
        this.#wake = undefined;
        signal.removeEventListener('abort', abort);
        resolve();
      };
    });
  }
}
