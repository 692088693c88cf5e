import type { BusOptions } from '../bus.ts';
import { BusError } from '../errors.ts';
import type { Middleware } from '../delivery.ts';
import type { RuntimeEvent } from '../instrument.ts';
import { systemClock, type Clock } from '../internal/clock.ts';
import { Timers } from '../internal/timers.ts';

/** What everything in one bus shares. */
export class Context {
  readonly options: BusOptions;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly middleware: Middleware[] = [];
  readonly now: () => number;
  readonly #closed = new AbortController();
  #closing = false;
  /** Hooks of the user's that threw. */
  hookFailures = 0;

  constructor(options: BusOptions, clock: Clock = systemClock) {
    this.options = options;
    this.clock = clock;
    this.timers = new Timers(clock);
    this.now = () => clock.now();
  }

  /** Aborted when the bus is closed and its grace time is over. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  /** True from the call of `close` on: nothing new may begin. */
  get closing(): boolean {
    return this.#closing;
  }

  beginClose(): void {
    this.#closing = true;
  }

  end(): void {
    this.#closed.abort(new BusError('DUOBUS_CLOSED', 'the bus is closed'));
    this.timers.close();
  }

  /** @throws BusError DUOBUS_CLOSED */
  checkOpen(call: string): void {
    if (this.#closing)
      throw new BusError('DUOBUS_CLOSED', `${call}: the bus is closed, or being closed`);
  }

  event(event: RuntimeEvent): void {
    const { instrument } = this.options;
    if (instrument?.event !== undefined) this.guarded(() => instrument.event?.(event));
  }

  /** Telemetry must not break what it looks at. */
  guarded<T>(hook: () => T): T | undefined {
    try {
      return hook();
    } catch {
      this.hookFailures += 1;
      return undefined;
    }
  }
}
