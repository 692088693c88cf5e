import type { Cell, CellResult, Cells, CellWrite } from '@duobus/core/driver';
import type { Connection } from './connection.ts';

/** The cells of one group, as the broker keeps them. */
export class GroupCells {
  readonly #cells = new Map<string, Cell>();
  readonly #watchers = new Set<() => void>();
  #version = 0;

  get all(): readonly Cell[] {
    return [...this.#cells.values()];
  }

  get(keys: readonly string[]): readonly Cell[] {
    return keys.flatMap((key) => this.#cells.get(key) ?? []);
  }

  put(writes: readonly CellWrite[], news: boolean): readonly CellResult[] {
    const results = writes.map((write) => this.#write(write));
    if (news) this.tell();
    return results;
  }

  delete(key: string): void {
    if (this.#cells.delete(key)) this.tell();
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  #write({ key, value, ifVersion }: CellWrite): CellResult {
    if (this.#cells.get(key)?.version !== ifVersion) return { status: 'conflict' };
    if (value === undefined) {
      this.#cells.delete(key);
      return { status: 'written', version: undefined };
    }
    this.#version += 1;
    const version = String(this.#version);
    this.#cells.set(key, { key, value, version });
    return { status: 'written', version };
  }

  /** Somebody should look again. */
  tell(): void {
    for (const changed of this.#watchers) changed();
  }
}

/** The cells as one connection reaches them. */
export function cellsThrough(connection: Connection, cells: () => GroupCells): Cells {
  return {
    async get(keys, signal) {
      connection.check(signal);
      return cells().get(keys);
    },
    async list(signal) {
      connection.check(signal);
      return cells().all;
    },
    async put(writes, news, signal) {
      connection.check(signal);
      return cells().put(writes, news);
    },
    watch: (changed) => cells().watch(changed),
  };
}
