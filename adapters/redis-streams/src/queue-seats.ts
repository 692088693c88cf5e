import { randomUUID } from 'node:crypto';
import type { Farewell, StoredTopic } from '@duobus/core/driver';

/** Where a member of this process sits. */
export interface Seat {
  /** Owns partitions: who comes to sit here after a lost connection has them still. */
  readonly owner: string;
  /** Members of this process that are over, but could not say so: what they held is free at once. */
  readonly over: readonly string[];
  /** The server has been told of those. */
  told(): void;
  left(member: string, how: Farewell): void;
}

/** What members of one process leave to the next. */
export class Seats {
  readonly #free = new Map<string, string[]>();
  readonly #over = new Map<string, Set<string>>();

  take(topic: StoredTopic, name: string): Seat {
    const key = `${topic.name}:${name}`;
    const free = listed(this.#free, key, () => []);
    const over = listed(this.#over, key, () => new Set());
    const owner = free.pop() ?? randomUUID();
    const left = [...over];
    return {
      owner,
      over: left,
      told: () => left.forEach((member) => over.delete(member)),
      left: (member, how) => {
        if (how === 'done') over.delete(member);
        else over.add(member);
        // one that still goes on must not meet another in its seat
        if (how !== 'late') free.push(owner);
      },
    };
  }
}

function listed<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
