import type { Driver } from '../driver.ts';
import { BusError } from '../errors.ts';
import { abortable, anyOf } from '../internal/abort.ts';
import { Turns } from '../internal/turns.ts';
import { delayOf, reconnectBackoff } from './backoff.ts';
import type { Context } from './context.ts';

/** A broker that is told to make hundreds of queues or members at once answers none of them in time. */
const atOnce = 64;

/** Keeps one driver open: the only place that reconnects. Drivers report, this opens again. */
export class Link {
  readonly #driver: Driver;
  readonly #context: Context;
  readonly #bus: 'event' | 'data';
  readonly #turns = new Turns(atOnce);
  #opening: Promise<void> | undefined;
  #up = false;
  #lastError: unknown;

  constructor(driver: Driver, bus: 'event' | 'data', context: Context) {
    this.#driver = driver;
    this.#bus = bus;
    this.#context = context;
  }

  get up(): boolean {
    return this.#up;
  }

  get lastError(): unknown {
    return this.#lastError;
  }

  /** First connection: fails for good on errors that no waiting mends, such as wrong credentials. */
  async connect(timeoutMs: number): Promise<void> {
    const stop = new AbortController();
    const cancel = this.#context.timers.after(timeoutMs, () => stop.abort());
    try {
      await this.#open(AbortSignal.any([stop.signal, this.#context.closed]), true);
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      throw new BusError(
        'DUOBUS_UNAVAILABLE',
        `no connection to the broker of the ${this.#bus} bus within ${timeoutMs} ms: is it running, and is the URL right? ${messageOf(this.#lastError)}`,
        { cause: this.#lastError, retryable: true },
      );
    } finally {
      cancel();
    }
  }

  /** Resolves when the driver is open; opens it again if `failed` was reported. */
  ready(signal?: AbortSignal): Promise<void> {
    if (this.#up) return Promise.resolve();
    this.#opening ??= this.#open(this.#context.closed, false).finally(
      () => (this.#opening = undefined),
    );
    return abortable(this.#opening, signal);
  }

  /** Says that a call failed in a way that may mean the connection is gone. */
  failed(error: unknown): void {
    if (!BusError.is(error, 'DUOBUS_UNAVAILABLE') || !this.#up) return;
    this.#up = false;
    this.#lastError = error;
    this.#context.event({ type: 'connection', bus: this.#bus, up: false, error });
    this.ready().catch(() => undefined); // rejects only when the bus closes, and then nobody waits for it
  }

  /** Does what costs the broker much, and is done for many at once when a process starts or a connection is found again:
   *  some at a time. */
  inTurn<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return this.#turns.run(work, anyOf(this.#context.closed, signal));
  }

  /** As `request`, in turn: the time begins when its turn has come. */
  requestInTurn<T>(run: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.inTurn(() => this.request(run, { signal }), signal);
  }

  /** Runs an idempotent request, again after a reconnect, until it answers, fails for good or the time is up. */
  async request<T>(
    run: (signal: AbortSignal) => Promise<T>,
    options: { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: number } = {},
  ): Promise<T> {
    const timeoutMs = options.timeoutMs ?? 30_000;
    const stop = new AbortController();
    let last: unknown;
    const cancel = this.#context.timers.after(timeoutMs, () =>
      stop.abort(
        new BusError(
          'DUOBUS_TIMEOUT',
          `the broker did not answer within ${timeoutMs} ms. ${messageOf(last ?? this.#lastError)}`,
          { cause: last ?? this.#lastError, retryable: true },
        ),
      ),
    );
    const signal = AbortSignal.any([
      stop.signal,
      this.#context.closed,
      ...(options.signal === undefined ? [] : [options.signal]),
    ]);
    try {
      for (let attempt = 1; ; attempt += 1) {
        await this.ready(signal);
        try {
          return await abortable(run(signal), signal);
        } catch (error) {
          signal.throwIfAborted();
          if (!BusError.is(error) || !error.retryable) throw error;
          last = error;
          this.failed(error);
          await this.#context.timers.sleep(delayOf(reconnectBackoff, attempt), signal);
        }
      }
    } finally {
      cancel();
    }
  }

  async #open(signal: AbortSignal, first: boolean): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted();
      try {
        await abortable(this.#driver.open(signal), signal);
        signal.throwIfAborted();
        this.#up = true;
        this.#context.event({ type: 'connection', bus: this.#bus, up: true });
        return;
      } catch (error) {
        signal.throwIfAborted();
        this.#lastError = error;
        if (first && BusError.is(error) && !error.retryable) throw error;
        await this.#context.timers.sleep(delayOf(reconnectBackoff, attempt), signal);
      }
    }
  }
}

/** In a sentence, whatever has been thrown. */
export function messageOf(error: unknown): string {
  if (error === undefined) return '';
  try {
    const message: unknown = error instanceof Error ? error.message : error;
    return String(message);
  } catch {
    return 'something that cannot be shown as text';
  }
}
