import { setTimeout as pause } from 'node:timers/promises';

/** How long letting go may take: what is not given back by then comes back after its visibility. */
const farewellMs = 2_000;

/** Resolves when it is done, has failed, or takes too long. */
export async function farewell(letGo: () => Promise<void>): Promise<void> {
  const tooLate = new AbortController();
  const late = pause(farewellMs, undefined, { signal: tooLate.signal }).catch(() => undefined);
  const letting = letGo().catch(() => undefined);
  await Promise.race([letting, late]);
  tooLate.abort();
}
