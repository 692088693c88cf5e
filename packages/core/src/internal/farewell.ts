import { setTimeout as pause } from 'node:timers/promises';

/** How long letting go may take: a broker that is silent must not hold up a close. */
const farewellMs = 2_000;

/** What has become of it; `late`: it goes on. What it could not tell the broker, the end of a lease tells. */
export type Farewell = 'done' | 'failed' | 'late';

/** Lets go, and waits for that only for a short time. Never rejects. */
export async function farewell(letGo: () => Promise<void>): Promise<Farewell> {
  const tooLate = new AbortController();
  const late = pause(farewellMs, 'late', { signal: tooLate.signal }).catch(() => 'late');
  const letting = letGo().then(
    () => 'done',
    () => 'failed',
  );
  const result = await Promise.race([letting, late]);
  tooLate.abort();
  return result as Farewell;
}
