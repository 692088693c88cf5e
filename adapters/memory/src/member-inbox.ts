import { type BusError, Inbox } from '@duobus/core/driver';

/** A member's inbox that ends: what waits in `receive` when the member is closed is told so. */
export class MemberInbox<Event> {
  readonly #inbox = new Inbox<Event | undefined>();
  #ended: BusError | undefined;

  push(event: Event): void {
    if (this.#ended === undefined) this.#inbox.push(event);
  }

  discard(matches: (event: Event) => boolean): void {
    this.#inbox.discard((event) => event !== undefined && matches(event));
  }

  end(error: BusError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#inbox.discard(() => true);
    this.#inbox.push(undefined);
  }

  async receive(signal: AbortSignal): Promise<readonly Event[]> {
    if (this.#ended !== undefined) throw this.#ended;
    const events = await this.#inbox.receive(signal);
    if (this.#ended !== undefined) throw this.#ended;
    return events as readonly Event[];
  }
}
