import { setTimeout as pause } from 'node:timers/promises';
import { abortable } from '@duobus/core/driver';

/**
 * A broker that is killed forgets quorum queues that it made in its last second, with everything they have confirmed:
 * it writes the list of its queues (ra's names.dets) 0.5 to 1 s after the last change to it. Until then a new queue
 * must not be trusted with anything. Seen on 3.10, 4.0 and 4.3.
 */
export const untrustedMs = 1250;

/** Resolves when a queue that was made `ageMs` ago survives the death of its broker. */
export async function untilDurable(ageMs: number, signal: AbortSignal): Promise<void> {
  const rest = untrustedMs - Math.max(0, ageMs);
  if (rest > 0) await abortable(pause(rest, undefined, { ref: false }), signal);
}
