import type { Delivery } from './delivery.ts';
import type { HandleState } from './handle.ts';

/** Hooks for telemetry. They are called synchronously and must not throw; what they throw is ignored and counted. */
export interface Instrument {
  /** A publish begins: may return more attributes (traceparent, tracestate) and a callback for its end. */
  publish?(info: {
    readonly bus: 'event' | 'data';
    readonly topic: string;
    readonly id: string;
    readonly type: string;
  }): PublishSpan | undefined;
  /** Runs around each handler run, inside of middleware's reach: `run` must be called once and its result returned. */
  handle?(delivery: Delivery, run: () => unknown): unknown;
  /** Something happened that nobody awaits. */
  event?(event: RuntimeEvent): void;
}

export interface PublishSpan {
  readonly attributes?: Readonly<Record<string, string>>;
  end?(error?: unknown): void;
}

export type RuntimeEvent =
  | {
      readonly type: 'state';
      readonly bus: 'event' | 'data';
      readonly name: string;
      readonly state: HandleState;
      readonly detail: string | undefined;
    }
  | {
      readonly type: 'connection';
      readonly bus: 'event' | 'data';
      readonly up: boolean;
      readonly error?: unknown;
    }
  | {
      readonly type: 'failed';
      readonly bus: 'event' | 'data';
      readonly name: string;
      readonly id: string | undefined;
      readonly attempt: number;
      readonly error: unknown;
    }
  | {
      readonly type: 'dead';
      readonly bus: 'event' | 'data';
      readonly name: string;
      readonly id: string | undefined;
      readonly reason: string;
      readonly error: unknown;
    }
  | {
      readonly type: 'lost-position';
      readonly name: string;
      readonly partition: number;
      readonly records: number;
    }
  | {
      readonly type: 'neglected';
      readonly topic: string;
      readonly name: string;
      readonly forMs: number;
    }
  | {
      readonly type: 'late';
      readonly bus: 'event' | 'data';
      readonly name: string;
      readonly id: string;
    };
