import type { PointerWrite, StoredPointer } from '../driver.ts';
import type { CellResult, Cells, CellWrite } from './cells.ts';
import { encodePartition, partitionKey, readView, type PartitionCell, type View } from './view.ts';

/** A partition that is owned, with what its owner needs to write its cell. */
export interface Holding {
  readonly partition: number;
  readonly token: number;
  pointer: StoredPointer | undefined;
  /** The last known version of its cell. */
  version: string | undefined;
  revoking: 'rebalance' | 'reset' | undefined;
}

/** The partitions of one owner. Writes of their cells are made one after the other: each needs the version of the last. */
export class Holdings {
  readonly #cells: Cells;
  readonly #id: string;
  readonly #held = new Map<number, Holding>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(cells: Cells, id: string) {
    this.#cells = cells;
    this.#id = id;
  }

  get all(): Iterable<Holding> {
    return this.#held.values();
  }

  has(partition: number): boolean {
    return this.#held.has(partition);
  }

  find(partition: number, token: number): Holding | undefined {
    const holding = this.#held.get(partition);
    return holding?.token === token ? holding : undefined;
  }

  add(holding: Holding): void {
    this.#held.set(holding.partition, holding);
  }

  clear(): void {
    this.#held.clear();
  }

  /** Takes out, and returns, what somebody else has taken over. */
  lost(view: View): readonly Holding[] {
    const lost = [...this.#held.values()].filter(({ partition, token }) => {
      const cell = view.partitions.get(partition)?.value;
      return cell?.owner !== this.#id || cell.token !== token;
    });
    for (const { partition } of lost) this.#held.delete(partition);
    return lost;
  }

  /** The write by which a free partition becomes one's own. */
  claimOf({ partition, token, pointer, version }: Holding): CellWrite {
    return this.#writeOf(partition, version, { owner: this.#id, token, pointer });
  }

  commit(
    writes: readonly PointerWrite[],
    signal: AbortSignal,
  ): Promise<readonly ('ok' | 'fenced')[]> {
    return this.#alone(async () => {
      const held = writes.map(({ partition, token }) => this.find(partition, token));
      const due = held.flatMap((holding, at) =>
        holding === undefined
          ? []
          : [{ holding, owner: this.#id, pointer: (writes[at] as PointerWrite).pointer }],
      );
      const written = new Set(await this.#write(due, false, signal));
      return held.map((holding) =>
        holding !== undefined && written.has(holding) ? 'ok' : 'fenced',
      );
    });
  }

  release(partition: number, token: number, signal: AbortSignal): Promise<void> {
    return this.#alone(async () => {
      const holding = this.find(partition, token);
      if (holding === undefined) return;
      this.#held.delete(partition);
      await this.#write([{ holding, owner: '', pointer: holding.pointer }], true, signal);
    });
  }

  releaseAll(signal: AbortSignal): Promise<void> {
    return this.#alone(async () => {
      const due = [...this.#held.values()].map((holding) => ({
        holding,
        owner: '',
        pointer: holding.pointer,
      }));
      this.#held.clear();
      await this.#write(due, true, signal);
    });
  }

  /** Releases what is written as one's own although it is not held: of a release that failed, or of a former life. */
  async releaseForgotten(
    view: View,
    unwanted: (partition: number) => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const writes: CellWrite[] = [];
    for (const [partition, { value, version }] of view.partitions) {
      if (value.owner !== this.#id || this.#held.has(partition) || !unwanted(partition)) continue;
      writes.push(this.#writeOf(partition, version, { ...value, owner: '' }));
    }
    if (writes.length > 0) await this.#cells.put(writes, true, signal);
  }

  /** Writes cells of one's own. Returns those that were written: the others belong to somebody else by now. */
  async #write(
    due: readonly {
      readonly holding: Holding;
      readonly owner: string;
      readonly pointer: StoredPointer | undefined;
    }[],
    news: boolean,
    signal: AbortSignal,
  ): Promise<readonly Holding[]> {
    const done: Holding[] = [];
    for (let left = due; left.length > 0; ) {
      const results = await this.#cells.put(
        left.map(({ holding: { partition, token, version }, owner, pointer }) =>
          this.#writeOf(partition, version, { owner, token, pointer }),
        ),
        news,
        signal,
      );
      const conflicts = left.filter(({ holding, pointer }, at) => {
        const result = results[at] as CellResult;
        if (result.status === 'conflict') return true;
        holding.version = result.version;
        holding.pointer = pointer;
        done.push(holding);
        return false;
      });
      left = await this.#stillOurs(conflicts, signal);
    }
    return done;
  }

  /** After a write whose answer was lost the version is another one, and the cell is ours all the same. */
  async #stillOurs<Due extends { readonly holding: Holding }>(
    due: readonly Due[],
    signal: AbortSignal,
  ): Promise<readonly Due[]> {
    if (due.length === 0) return due;
    const keys = due.map(({ holding }) => partitionKey(holding.partition));
    const { partitions } = readView(await this.#cells.get(keys, signal));
    return due.filter(({ holding }) => {
      const cell = partitions.get(holding.partition);
      if (cell?.value.owner !== this.#id || cell.value.token !== holding.token) return false;
      holding.version = cell.version;
      return true;
    });
  }

  #writeOf(partition: number, version: string | undefined, cell: PartitionCell): CellWrite {
    return { key: partitionKey(partition), value: encodePartition(cell), ifVersion: version };
  }

  #alone<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(run, run);
    this.#last = turn.catch(() => undefined); // told to whoever called
    return turn;
  }
}
