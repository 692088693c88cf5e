import { BusError, type StoredPointer } from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import type { Copies } from './copies.ts';
import { deleteBefore } from './delete-records.ts';
import { partitionsIn } from './group-shares.ts';
import { fetchPointers } from './pointer-store.ts';
import { dead, placesOf, retries, type Subscription } from './subscriptions.ts';
import { ownPartitions } from './topology.ts';

/** By the number under which a partition is known. */
export type Pointers = ReadonlyMap<number, StoredPointer>;

interface Line {
  readonly v: 1;
  readonly pointers: readonly (readonly [partition: number, offset: number, text: string])[];
}

const limits = { maxBytes: 1024 * 1024, maxWaitMs: 0 };
const never = new AbortController().signal;

/**
 * The last pointers of a subscription once more, in its own topic: Kafka drops those of a group without members
 * after a while unless every commit asks it not to, and drops them all when somebody deletes the group.
 */
export class PointerBackup {
  readonly #connection: Connection;
  readonly #copies: Copies;
  /** By subscription: what was written last. */
  readonly #written = new Map<string, string>();

  constructor(connection: Connection, copies: Copies) {
    this.#connection = connection;
    this.#copies = copies;
  }

  /** The pointers of a subscription as they are now, those of retries and dead letters included. */
  async current(subscription: Subscription, numbers: readonly number[]): Promise<Pointers> {
    const { control, closed } = this.#connection;
    const { group, deadGroup, own } = subscription;
    const all = [...numbers, retries];
    const [main, [letters]] = await Promise.all([
      control.coordinated(group, closed, (broker) =>
        fetchPointers(broker, group, placesOf(subscription), all),
      ),
      control.coordinated(deadGroup, closed, (broker) =>
        fetchPointers(broker, deadGroup, partitionsIn(own), [ownPartitions.dead]),
      ),
    ]);
    const found = new Map<number, StoredPointer>();
    main.forEach((pointer, index) => {
      if (pointer !== undefined) found.set(all[index] as number, pointer);
    });
    if (letters !== undefined) found.set(dead, letters);
    if (numbers.every((number) => found.has(number))) return found;
    // those of the first partitions were committed when it was made: the group has lost them
    return new Map([...(await this.read(subscription)), ...found]);
  }

  /** Where a partition begins whose pointer the group has lost. */
  async restore(subscription: Subscription, partition: number): Promise<StoredPointer> {
    const saved = (await this.read(subscription)).get(partition);
    if (saved !== undefined) return saved;
    const offset = partition === dead || partition < 0 ? 0 : (subscription.starts[partition] ?? 0);
    return { place: { offset, time: 0 }, text: '' };
  }

  /** Several processes write, so the one that is farthest counts: pointers only move forward. */
  async read(subscription: Subscription): Promise<Pointers> {
    for (;;) {
      try {
        return await this.#readAll(subscription);
      } catch (error) {
        // somebody has replaced what was there since its first place was asked for
        if (!BusError.is(error, 'DUOBUS_POSITION_GONE')) throw error;
      }
    }
  }

  async #readAll({ own }: Subscription): Promise<Pointers> {
    const { ends, reader } = this.#connection;
    const partition = ownPartitions.pointers;
    const [bounds] = await ends.bounds(own, [partition]);
    const found = new Map<number, StoredPointer>();
    if (bounds === undefined) return found;
    const { end } = bounds;
    for (let from = bounds.first; from.offset < end.offset; ) {
      const { records, next } = await reader.read(own, partition, from, limits, never);
      for (const { body } of records) {
        for (const [number, offset, text] of parse(body).pointers) {
          if ((found.get(number)?.place.offset ?? -1) <= offset)
            found.set(number, { place: { offset, time: 0 }, text });
        }
      }
      from = next;
    }
    return found;
  }

  /** Answers whether they have changed since this process last wrote them. */
  async write({ own }: Subscription, pointers: Pointers): Promise<boolean> {
    const line: Line = {
      v: 1,
      pointers: [...pointers].map(([number, { place, text }]) => [number, place.offset, text]),
    };
    const text = JSON.stringify(line);
    if (this.#written.get(own) === text) return false;
    const at = { topic: own, partition: ownPartitions.pointers };
    const [before] = await this.#connection.ends.bounds(own, [at.partition]);
    await this.#copies.append(at, {
      key: undefined,
      headers: {},
      body: new TextEncoder().encode(text),
    });
    this.#written.set(own, text);
    // what others write at this moment stays: only what was there before is replaced
    if (before !== undefined)
      await deleteBefore(this.#connection, own, [{ ...at, offset: before.end.offset }]);
    return true;
  }
}

function parse(body: Uint8Array | null): Line {
  const line = JSON.parse(new TextDecoder().decode(body ?? new Uint8Array())) as Line;
  if (line.v !== 1)
    throw new BusError(
      'DUOBUS_DECODE',
      `the pointers of a subscription are kept in version ${String(line.v)}, this version of duobus reads 1: upgrade this process`,
    );
  return line;
}
