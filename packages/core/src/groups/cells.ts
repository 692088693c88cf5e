/** A small value with a version that changes with every write. */
export interface Cell {
  readonly key: string;
  readonly value: string;
  /** Opaque; never the same for two writes of one key. */
  readonly version: string;
}

/** A conditional write of one cell. */
export interface CellWrite {
  readonly key: string;
  /** `undefined` deletes. */
  readonly value: string | undefined;
  /** Writes only if the cell has this version; `undefined`: only if there is no such cell. */
  readonly ifVersion: string | undefined;
}

export type CellResult =
  | {
      readonly status: 'written';
      /** `undefined` where it was deleted. */
      readonly version: string | undefined;
    }
  /** The version was another one: nothing was written. */
  | { readonly status: 'conflict' };

/**
 * The cells of one group or subscription in the broker: all that `groupsOver` needs of a broker without native groups.
 * Keys are of letters, digits, `-`, `_` and `/`, values JSON of some bytes to some KiB. Rejections are BusErrors; nothing is
 * retried below. Whoever reads after a write has resolved sees that write.
 */
export interface Cells {
  /** Those that exist, in any order. */
  get(keys: readonly string[], signal: AbortSignal): Promise<readonly Cell[]>;
  /** All of them. */
  list(signal: AbortSignal): Promise<readonly Cell[]>;
  /** Each write on its own, compared and set by the broker; one request where the broker can. Rejects where it is not
   *  known what was written. `news`: who watches should be told. */
  put(
    writes: readonly CellWrite[],
    news: boolean,
    signal: AbortSignal,
  ): Promise<readonly CellResult[]>;
  /** Calls `changed` soon after somebody has written news, or not at all: a hint that saves waiting for the next look.
   *  Returns what ends it. */
  watch(changed: () => void): () => void;
}
