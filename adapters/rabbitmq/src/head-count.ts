/** How soon a partition comes round again that nobody wants. */
const roundMs = 10_000;
/** Once it may be that somebody was just about to learn of a change. */
const rounds = 2;

interface Refusal {
  readonly at: number;
  readonly times: number;
}

/**
 * How many members there are to share with. The broker goes on counting the consumers of a node that is lost, until it
 * is back or taken out of the cluster. The shares of all members add up to all partitions: so one that comes back to who
 * has refused it, twice, is the share of somebody who is not there.
 */
export class HeadCount {
  readonly #refusals = new Map<number, Refusal>();
  #counted = 0;
  #absent = 0;

  /** @param counted by the broker  @param held partitions that have just come to this member */
  present(counted: number, held: readonly number[], now: number): number {
    if (counted !== this.#counted) {
      this.#counted = counted;
      this.#absent = 0;
      this.#refusals.clear();
    }
    if (held.some((partition) => this.#isUnwanted(partition, now))) {
      this.#absent += 1;
      this.#refusals.clear();
    }
    return Math.max(1, counted - this.#absent);
  }

  /** It was more than this member's share. */
  refused(partition: number, now: number): void {
    const before = this.#refusals.get(partition);
    const times = before !== undefined && now - before.at < roundMs ? before.times + 1 : 1;
    this.#refusals.set(partition, { at: now, times });
  }

  #isUnwanted(partition: number, now: number): boolean {
    const refusal = this.#refusals.get(partition);
    return refusal !== undefined && refusal.times >= rounds && now - refusal.at < roundMs;
  }
}
