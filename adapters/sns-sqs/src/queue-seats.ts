import { randomUUID } from 'node:crypto';

/** Where a member of this process sits: who comes to sit here after a lost one still owns its partitions. */
export interface Seat {
  readonly owner: string;
  left(): void;
}

/** What members of one process leave to the next. */
export class Seats {
  readonly #free = new Map<string, string[]>();

  take(subscription: string): Seat {
    const free = this.#free.get(subscription) ?? [];
    this.#free.set(subscription, free);
    const owner = free.pop() ?? randomUUID();
    return { owner, left: () => void free.push(owner) };
  }
}
