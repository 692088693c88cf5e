/** An inbox with more in it than what the broker has put there. */
export class ExtraInbox<Event> {
  readonly #receive: (signal: AbortSignal) => Promise<readonly Event[]>;
  readonly #extra: Event[] = [];
  #pending: Promise<readonly Event[]> | undefined;
  #wake: () => void = () => undefined;

  constructor(receive: (signal: AbortSignal) => Promise<readonly Event[]>) {
    this.#receive = receive;
  }

  push(event: Event): void {
    this.#extra.push(event);
    this.#wake();
  }

  async receive(signal: AbortSignal): Promise<readonly Event[]> {
    const pending = (this.#pending ??= this.#begin(signal));
    const woken = new Promise<undefined>((resolve) => (this.#wake = () => resolve(undefined)));
    if (this.#extra.length > 0) this.#wake();
    const events = await Promise.race([pending, woken]);
    return [...(events ?? []), ...this.#extra.splice(0)];
  }

  /** Goes on over calls: there may be one at a time. */
  #begin(signal: AbortSignal): Promise<readonly Event[]> {
    const pending = this.#receive(signal).finally(() => (this.#pending = undefined));
    pending.catch(() => undefined); // whoever receives next is told
    return pending;
  }
}
