import { BusError } from '../errors.ts';
import type { DeadReason } from '../dead-letters.ts';
import type { Cause } from '../delivery.ts';

/** What changes per delivery and is kept with a record by the broker, apart from its envelope. */
export interface DeliveryState {
  /** Runs that failed. */
  readonly failed: number;
  /** Deaths of the process while this document was being tried. */
  readonly crashes: number;
  /** Why it is handed out again. */
  readonly cause: Cause;
  /** Its try has been written: it is to be handled alone. */
  readonly probing: boolean;
  /** How often it has been redriven. */
  readonly redrives: number;
  readonly dead?: { readonly reason: DeadReason; readonly message: string; readonly at: number };
}

export const freshState: DeliveryState = {
  failed: 0,
  crashes: 0,
  cause: 'first',
  probing: false,
  redrives: 0,
};

const longestMessage = 500;

export function encodeState(state: DeliveryState): string {
  return JSON.stringify({
    v: 1,
    f: state.failed,
    x: state.crashes,
    c: state.cause,
    ...(state.probing ? { p: 1 } : {}),
    ...(state.redrives > 0 ? { r: state.redrives } : {}),
    ...(state.dead === undefined
      ? {}
      : {
          d: {
            r: state.dead.reason,
            m: state.dead.message.slice(0, longestMessage),
            t: state.dead.at,
          },
        }),
  });
}

export function decodeState(text: string | undefined): DeliveryState {
  if (text === undefined) return freshState;
  let raw: {
    v?: unknown;
    f?: number;
    x?: number;
    c?: Cause;
    p?: number;
    r?: number;
    d?: { r: DeadReason; m: string; t: number };
  };
  try {
    raw = JSON.parse(text) as typeof raw;
  } catch (cause) {
    throw new BusError(
      'DUOBUS_DECODE',
      'a record carries a duobus state that is not JSON: was it copied or altered by something else?',
      { cause },
    );
  }
  if (raw?.v !== 1)
    throw new BusError(
      'DUOBUS_DECODE',
      `a record carries a duobus state of version ${String(raw?.v)}, this version of duobus reads 1: upgrade this process`,
    );
  return {
    failed: raw.f ?? 0,
    crashes: raw.x ?? 0,
    cause: raw.c ?? 'retry',
    probing: raw.p === 1,
    redrives: raw.r ?? 0,
    ...(raw.d === undefined ? {} : { dead: { reason: raw.d.r, message: raw.d.m, at: raw.d.t } }),
  };
}
