import type { Delivery } from '@duobus/core';
import type { Doc, Script } from './protocol.ts';

/** Makes a handler of a script. */
export function play(script: Script): (document: Doc, delivery: Delivery) => Promise<void> {
  const failed = new Map<number, number>();
  return async (document, delivery) => {
    const { hang = [], fail = {}, delayMs = 0 } = script;
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (hang.includes(document.n)) await aborted(delivery.signal);
    const times = failed.get(document.n) ?? 0;
    if (times >= (fail[document.n] ?? 0)) return;
    failed.set(document.n, times + 1);
    throw new Error(`document ${document.n} is told to fail, ${times + 1}. time`);
  };
}

/** Rejects when the signal is aborted; until then it waits. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
