import type { Sighting } from './sighting.ts';

/** When a broker, or a node of it, was hurt, and when it answered again. */
export interface Wound {
  readonly fault: string;
  readonly fromMs: number;
  readonly upMs: number;
}

/** The longest time without any of `times` that began between the wound and `toMs`. */
export function longestGap({ fromMs }: Wound, times: readonly number[], toMs: number): number {
  let most = 0;
  let last = fromMs;
  for (const time of times.toSorted((a, b) => a - b)) {
    if (time < fromMs) continue;
    if (last > toMs) break;
    most = Math.max(most, time - last);
    last = time;
  }
  return Math.round(most);
}

/** Until when what happens is counted to the wound: until the next one. */
export const reachOf = (wounds: readonly Wound[], at: number): number =>
  wounds[at + 1]?.fromMs ?? Number.POSITIVE_INFINITY;

/** How long after `fromMs` anything was handled again. */
export function backAfter(fromMs: number, sightings: readonly Sighting[]): number {
  const first = sightings.find(({ beganMs }) => beganMs >= fromMs);
  return first === undefined ? Number.POSITIVE_INFINITY : first.beganMs - fromMs;
}
