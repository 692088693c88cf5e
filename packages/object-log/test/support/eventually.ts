import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves when it is so. */
export async function eventually(
  isSo: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  const until = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > until) throw new Error(`not so within ${timeoutMs} ms`);
    await sleep(5);
  }
}
