interface Sighting {
  readonly version: string | number;
  readonly since: number;
}

/**
 * Who is alive, by one's own clock alone: whoever changes its cell within the lease is. Clocks of processes and brokers
 * are never compared.
 */
export class Sightings {
  readonly #leaseMs: number;
  #seen = new Map<string, Sighting>();

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  /** What has been read between the two times. Those that are not there any more are forgotten. */
  look(found: ReadonlyMap<string, string | number>, now: number): void {
    const seen = new Map<string, Sighting>();
    for (const [id, version] of found) {
      const before = this.#seen.get(id);
      seen.set(id, before?.version === version ? before : { version, since: now });
    }
    this.#seen = seen;
  }

  isAlive(id: string, now: number): boolean {
    const sighting = this.#seen.get(id);
    return sighting !== undefined && now - sighting.since < this.#leaseMs;
  }

  /** When the next of them is dead unless it is seen to live before; `undefined`: there is nobody. */
  next(now: number): number | undefined {
    let next: number | undefined;
    for (const { since } of this.#seen.values()) {
      const at = since + this.#leaseMs;
      if (at > now && (next === undefined || at < next)) next = at;
    }
    return next;
  }
}
