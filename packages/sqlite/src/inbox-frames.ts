import { AsyncLocalStorage } from 'node:async_hooks';
import { BusError } from '@duobus/core/driver';

interface Frame {
  readonly path: string;
  readonly outer: Frame | undefined;
  /** False when the transaction is over: what goes on afterwards is not inside of it any more. */
  running: boolean;
}

const frames = new AsyncLocalStorage<Frame>();

/** Whether what calls is part of a transaction over this file. */
export function isWithin(path: string): boolean {
  for (let frame = frames.getStore(); frame !== undefined; frame = frame.outer)
    if (frame.running && frame.path === path) return true;
  return false;
}

/** SQLite has one writer for each file: a second transaction inside of the first would wait for it for ever.
 *  @throws BusError DUOBUS_REJECTED inside of a transaction over the same file */
export function refuseNested(path: string): void {
  if (!isWithin(path)) return;
  throw new BusError(
    'DUOBUS_REJECTED',
    `sqliteInbox: an effect is guarded inside of another one over the same file (${path}), which has one writer and would wait for itself: give the inner one a file of its own, e.g. connect(url, { store: sqliteInbox('once.db') })`,
    { context: { path } },
  );
}

export async function inFrame<T>(path: string, work: () => Promise<T>): Promise<T> {
  const frame: Frame = { path, outer: frames.getStore(), running: true };
  try {
    return await frames.run(frame, work);
  } finally {
    frame.running = false;
  }
}
