/** A point in time of this process. */
export interface Moment {
  readonly steady: number;
  readonly wall: number;
}

export function moment(): Moment {
  return { steady: performance.now(), wall: Date.now() };
}

/** How long ago it was, rather too long than too short: the steady clock stands while a machine sleeps, and the other one
 *  can be set back. */
export function msSince({ steady, wall }: Moment): number {
  return Math.max(performance.now() - steady, Date.now() - wall);
}
