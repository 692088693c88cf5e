import type { DataBus } from './data-bus.ts';
import type { Middleware } from './delivery.ts';
import type { LogDriver, QueueDriver } from './driver.ts';
import type { EventBus } from './event-bus.ts';
import type { Health } from './handle.ts';
import type { IdempotenceStore } from './idempotence.ts';
import type { Clock } from './internal/clock.ts';
import type { Instrument } from './instrument.ts';

/** What every adapter's factory returns. A half that is missing answers DUOBUS_NOT_SUPPORTED to every call. */
export interface Adapter<Native = unknown> {
  readonly name: string;
  readonly queue?: QueueDriver<Native>;
  readonly log?: LogDriver<Native>;
  /** Replaces the process's clock: for embedded brokers whose time is controlled. */
  readonly clock?: Clock;
}

export interface BusOptions {
  /** CloudEvents `source` of everything this process publishes: a URI reference, e.g. '/shop/orders'. Required. */
  readonly source: string;
  /** 'check' creates nothing in the broker and says what is missing. Default 'create'. */
  readonly topology?: 'create' | 'check';
  /** How long publish tries before it rejects, in ms. Default 30,000. */
  readonly publishTimeoutMs?: number;
  /** What publish may buffer before it waits. */
  readonly publishBuffer?: PublishBufferOptions;
  /** Time from the first handled document to the settling of its batch at most, in ms. Default 50. */
  readonly settleIntervalMs?: number;
  /** `health` is bad when there is lag and nothing was handled for this long, in ms. Default 300,000. */
  readonly stuckAfterMs?: number;
  /** A subscription without a consumer for this long is reported by `health` as neglected, in ms. Default 3,600,000. */
  readonly neglectedAfterMs?: number;
  /** Time that `close` gives running handlers, in ms. Default 25,000. */
  readonly graceMs?: number;
  /** How long `connect` tries to reach the broker, in ms. Default 30,000. */
  readonly connectTimeoutMs?: number;
  /** Largest difference between clocks of publishers and brokers, in ms. Default 60,000. */
  readonly maxClockSkewMs?: number;
  /** Where `delivery.once` keeps its marks. */
  readonly store?: IdempotenceStore;
  /** Receives what telemetry needs to know. */
  readonly instrument?: Instrument;
}

export interface PublishBufferOptions {
  /** Documents at most. Default 10,000. */
  readonly documents?: number;
  /** Their size in bytes at most. Default 67,108,864 (64 MiB). */
  readonly bytes?: number;
}

export interface CloseOptions {
  /** Time that running handlers get, in ms. Default: what `connect` was told. */
  readonly graceMs?: number;
}

export interface Bus extends AsyncDisposable {
  /** @throws BusError DUOBUS_NOT_SUPPORTED at every use where the adapter has no event bus. */
  readonly events: EventBus;
  /** @throws BusError DUOBUS_NOT_SUPPORTED at every use where the adapter has no data bus. */
  readonly data: DataBus;
  /** Runs around every handler subscribed after this call, batch handlers excepted; the first added outermost. */
  use(middleware: Middleware): this;
  health(): Promise<Health>;
  /** Refuses new work, lets handlers finish, settles, flushes, disconnects (design: C11). Idempotent. */
  close(options?: CloseOptions): Promise<void>;
}
