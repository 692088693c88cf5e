import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for a condition; what it is about is in the error. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${holds.toString()}`);
    await sleep(2);
  }
}
