import type { ManualClock } from './manual-clock.ts';

/** Looks without anything to wait for before a call is left to itself. */
const idleLooks = 50;

/** How far time may go on for a call: to timers that are due soon, and in sum. */
export interface Reach {
  readonly nearMs: number;
  readonly totalMs: number;
}

/** Enough for the short pauses that the runtime makes, and far too little for a retry. */
export const shortReach: Reach = { nearMs: 50, totalMs: 1000 };

/** Lets time go on while a call of the bus waits for it, so that `await` ends though nobody else moves the clock. */
export async function drive<T>(
  clock: ManualClock,
  call: Promise<T>,
  { nearMs, totalMs }: Reach,
): Promise<T> {
  let pending = true;
  const end = (): void => {
    pending = false;
  };
  call.then(end, end);
  let spent = 0;
  for (let looks = 0; looks < idleLooks; ) {
    await clock.settle();
    if (!pending) break;
    const waitMs = (clock.next ?? Number.POSITIVE_INFINITY) - clock.now();
    if (waitMs > nearMs || spent + waitMs > totalMs) {
      looks += 1;
    } else {
      await clock.advance(waitMs);
      spent += waitMs;
    }
  }
  return call;
}

/** The same object, except that all its calls are driven. */
export function driven<T extends object>(clock: ManualClock, target: T): T {
  return new Proxy(target, {
    get(_target, name): unknown {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        const result: unknown = value.apply(target, args);
        return result instanceof Promise ? drive(clock, result, shortReach) : result;
      };
    },
  });
}
