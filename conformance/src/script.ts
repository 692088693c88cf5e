import { type Delivery, retryAfter } from '@duobus/core';
import { type Clock, systemClock } from '@duobus/core/driver';
import type { ConsumeSpec, Doc } from './protocol.ts';

/** Makes a handler of what a consumer was told, and documents ask for. */
export function play(
  { name, script = {} }: Pick<ConsumeSpec, 'name' | 'script'>,
  clock: Clock = systemClock,
): (document: Doc, delivery: Delivery) => Promise<void> {
  const failed = new Map<number, number>();
  return async (document, delivery) => {
    const { hang = [], fail = {}, againMs, delayMs = 0 } = script;
    if (delayMs > 0) await pause(delayMs, clock);
    if (hang.includes(document.n)) await aborted(delivery.signal);
    await obey(document, name, script.who, delivery, clock);
    const times = failed.get(document.n) ?? 0;
    if (times >= (fail[document.n] ?? 0)) return;
    failed.set(document.n, times + 1);
    const error = new Error(`document ${document.n} is told to fail, ${times + 1}. time`);
    throw againMs === undefined ? error : retryAfter(againMs, error);
  };
}

async function obey(
  { n, ask = {} }: Doc,
  name: string,
  who: string | undefined,
  { attempt, redelivered, signal }: Delivery,
  clock: Clock,
): Promise<void> {
  const { in: asked = name, fails = 0, slowMs = 0, heldBy } = ask;
  if (asked !== name) return;
  if (slowMs > 0) await pause(slowMs, clock);
  if (heldBy !== undefined && heldBy === who && !redelivered) await aborted(signal);
  if (attempt <= fails) throw new Error(`document ${n} asks to fail ${fails} times`);
}

function pause(ms: number, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}

/** Rejects when the signal is aborted; until then it waits. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
