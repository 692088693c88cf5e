import { setTimeout as pause } from 'node:timers/promises';
import { abortable } from '@duobus/core/driver';

/**
 * A broker that is killed forgets quorum queues that it made in its last second, with everything they have confirmed:
 * it writes the list of its queues (ra's names.dets) 0.5 to 1 s after the last change to it. Until then a new queue
 * must not be trusted with anything. Seen on 3.10, 4.0 and 4.3.
 */
const untrustedMs = 1250;
/** What lies between a name's registration and the declaration of its last queue, as a rule. */
const declaringMs = 750;
/** Queues whose name was registered longer ago need no thought. */
export const youngMs: number = declaringMs + untrustedMs;

/** Resolves when queues that were made just now survive the death of their broker. */
export async function untilDurable(signal: AbortSignal): Promise<void> {
  await abortable(pause(untrustedMs, undefined, { ref: false }), signal);
}

/** The same for queues of a name that was registered `ageMs` ago, perhaps by another process. */
export async function untilOldEnough(ageMs: number, signal: AbortSignal): Promise<void> {
  const rest = Math.min(youngMs, youngMs - ageMs);
  if (rest > 0) await abortable(pause(rest, undefined, { ref: false }), signal);
}
