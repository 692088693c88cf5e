import { BusError } from '../errors.ts';
import { anyOf } from '../internal/abort.ts';
import { delayOf, reconnectBackoff } from './backoff.ts';
import type { Context } from './context.ts';
import type { Link } from './link.ts';
import { endMs, within } from './within.ts';

interface Member<Event> {
  receive(signal: AbortSignal): Promise<readonly Event[]>;
  close(): Promise<void>;
}

/** What a feed does with its member. */
export interface MemberHome<Event, M extends Member<Event>> {
  /** For messages. */
  readonly what: string;
  open(signal: AbortSignal): Promise<M>;
  /** From now on this is the member. */
  take(member: M): void;
  /** Returns why the member is over, if it is; throws what no reconnecting mends. */
  apply(
    member: M,
    events: readonly Event[],
    signal: AbortSignal,
  ): BusError | undefined | Promise<BusError | undefined>;
  /** The member is over: nothing under it counts any more. */
  ended(): void;
  /** Over for good. */
  failed(error: unknown): void;
  changed(): void;
}

const stopping = new BusError('DUOBUS_CLOSED', 'the consumer is being closed');

/** A member that lasted longer was not lost because it could not be opened, in ms. */
const steadyMs = 10_000;

/** Receives from a member, and opens another when it is lost. */
export class MemberLoop<Event, M extends Member<Event>> {
  readonly #context: Context;
  readonly #link: Link;
  readonly #home: MemberHome<Event, M>;
  readonly #stop = new AbortController();
  /** Aborted when the member is given up. */
  #broken = new AbortController();
  #member: M | undefined;
  #running: Promise<void> = Promise.resolve();
  #openedAt = 0;
  #attempt = 0;
  #down: string | undefined;
  reconnects = 0;

  constructor(context: Context, link: Link, home: MemberHome<Event, M>) {
    this.#context = context;
    this.#link = link;
    this.#home = home;
  }

  get member(): M | undefined {
    return this.#member;
  }

  /** Why there is no member now. */
  get down(): string | undefined {
    return this.#down;
  }

  async open(signal: AbortSignal | undefined): Promise<void> {
    const both = anyOf(this.#stop.signal, signal);
    this.#take(await this.#link.requestInTurn((inner) => this.#new(inner), both));
    this.#running = this.#run();
  }

  /** A member that cannot do its work is of no use: what it holds is to be handed out again. */
  giveUp(member: M, error: unknown): void {
    if (member !== this.#member || this.#broken.signal.aborted || this.#stop.signal.aborted) return;
    this.#home.ended();
    this.#broken.abort(error);
  }

  /** Receives nothing more. The member is still there, to settle what it holds. */
  async stop(): Promise<void> {
    this.#stop.abort(stopping);
    await this.#running;
  }

  async close(): Promise<void> {
    if (this.#member !== undefined) await within(this.#context.timers, endMs, this.#member.close());
  }

  /** One that nobody waits for any more must not keep documents. */
  async #new(signal: AbortSignal): Promise<M> {
    const member = await this.#home.open(signal);
    if (!signal.aborted) return member;
    await member.close();
    throw signal.reason;
  }

  #take(member: M): void {
    this.#member = member;
    this.#broken = new AbortController();
    this.#openedAt = this.#context.timers.now();
    this.#home.take(member);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    try {
      while (!signal.aborted) {
        const over = await this.#receive(this.#member as M, signal);
        if (over !== undefined) await this.#replace(over, signal);
      }
    } catch (error) {
      if (signal.aborted && error === signal.reason) return;
      this.#home.ended();
      this.#home.failed(error);
    }
  }

  /** Returns why the member is over. */
  async #receive(member: M, stop: AbortSignal): Promise<BusError | undefined> {
    const listening = anyOf(stop, this.#broken.signal);
    try {
      for (;;) {
        const over = await this.#home.apply(member, await member.receive(listening), listening);
        if (over !== undefined) return over;
        listening.throwIfAborted();
      }
    } catch (error) {
      stop.throwIfAborted();
      if (BusError.is(error) && error.retryable) return error;
      throw error;
    }
  }

  async #replace(over: BusError, signal: AbortSignal): Promise<void> {
    this.#home.ended();
    this.#down = `${this.#home.what} was lost: ${over.message}`;
    this.#home.changed();
    this.#link.failed(over);
    await this.close();
    this.#member = undefined;
    // One that was lost at once counts as one that could not be opened.
    if (this.#context.timers.now() - this.#openedAt > steadyMs) this.#attempt = 0;
    await this.#reopen(signal);
    this.reconnects += 1;
    this.#down = undefined;
    this.#home.changed();
  }

  async #reopen(signal: AbortSignal): Promise<void> {
    for (;;) {
      this.#attempt += 1;
      await this.#context.timers.sleep(delayOf(reconnectBackoff, this.#attempt), signal);
      try {
        await this.#link.ready(signal);
        this.#take(await this.#link.inTurn(() => this.#new(signal), signal));
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!BusError.is(error) || !error.retryable) throw error;
        this.#link.failed(error);
      }
    }
  }
}
