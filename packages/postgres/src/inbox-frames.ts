import { AsyncLocalStorage } from 'node:async_hooks';

/** A transaction of an inbox whose effect is running, as what is called inside of it sees it. */
export interface Frame {
  readonly pool: object;
  /** Table and key. */
  readonly place: string;
  readonly outer: Frame | undefined;
  /** False when it is over: what goes on afterwards is not inside of it any more. */
  running: boolean;
}

const frames = new AsyncLocalStorage<Frame>();

/** The frame of a new transaction in this one of the program's threads of calls.
 *  @throws TypeError when that key is being handled by who calls, which would wait for itself. */
export function newFrame(pool: object, place: string): Frame {
  const outer = frames.getStore();
  for (let frame = outer; frame !== undefined; frame = frame.outer) {
    if (frame.running && frame.place === place && frame.pool === pool)
      throw new TypeError(
        'postgresInbox: an effect cannot be guarded inside of itself: give delivery.once another scope than the handler has',
      );
  }
  return { pool, place, outer, running: true };
}

/** How many transactions over this pool are running around what calls. */
export function depthOn(pool: object): number {
  let depth = 0;
  for (let frame = frames.getStore(); frame !== undefined; frame = frame.outer)
    if (frame.running && frame.pool === pool) depth += 1;
  return depth;
}

export async function inFrame<T>(frame: Frame, work: () => Promise<T>): Promise<T> {
  try {
    return await frames.run(frame, work);
  } finally {
    frame.running = false;
  }
}
