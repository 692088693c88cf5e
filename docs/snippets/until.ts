import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for what a snippet has to bring about. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline)
      throw new Error(`waited ${timeoutMs} ms in vain until ${holds.toString()}`);
    await sleep(5);
  }
}
