import { setTimeout as sleep } from 'node:timers/promises';
import { nowMs } from './sighting.ts';

/** Polls a condition; resolves to whether it came true in time. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  everyMs = 20,
): Promise<boolean> {
  const deadline = nowMs() + timeoutMs;
  for (;;) {
    if (await condition()) return true;
    if (nowMs() > deadline) return false;
    await sleep(everyMs);
  }
}
