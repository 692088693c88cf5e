/** An object as the store has it. */
export interface StoredObject {
  readonly body: Uint8Array;
  /** Another one after every write of other bytes. */
  readonly etag: string;
  /** When it was written, by the store's clock, in ms since 1970; may be rounded down to whole seconds. */
  readonly at: number;
}

/** An object without its bytes, as a listing shows it. */
export interface ListedObject {
  readonly key: string;
  readonly etag: string;
  readonly at: number;
  /** In bytes. */
  readonly size: number;
}

/** What must hold for a write or a removal: there is no such object, or it has this tag. */
export type Condition = { readonly absent: true } | { readonly etag: string };

export interface Listing {
  readonly objects: readonly ListedObject[];
  /** There are more after the last of these. */
  readonly more: boolean;
}

/**
 * What the log needs of an object store: whole objects, compared and set by the store, listed in the order of their
 * keys, and what was written is seen by every read and listing that begins afterwards (as on Amazon S3).
 * Rejections are BusErrors, or the reason of the signal; nothing is retried below. A write whose outcome is not known
 * rejects with DUOBUS_UNAVAILABLE and `outcome` 'unknown'; one that was certainly not done has 'rejected'.
 */
export interface ObjectStore {
  /** `undefined` if there is none. `bytes`: the first so many at most. */
  get(key: string, signal: AbortSignal, bytes?: number): Promise<StoredObject | undefined>;
  /** The tag of what was written, or 'conflict': the condition did not hold and nothing was written. */
  put(
    key: string,
    body: Uint8Array,
    condition: Condition | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly etag: string } | 'conflict'>;
  /** Removes one; where there is none nothing is to be done, unless a tag is asked for: then that is a conflict. */
  remove(
    key: string,
    condition: { readonly etag: string } | undefined,
    signal: AbortSignal,
  ): Promise<'removed' | 'conflict'>;
  /** Objects whose keys begin with `prefix` and are greater than `after`, in the order of their UTF-8 bytes. */
  list(
    prefix: string,
    options: { readonly after?: string; readonly limit?: number },
    signal: AbortSignal,
  ): Promise<Listing>;
}

/** Hints between processes: those who wait need not ask the store. Hints may be late or be lost. */
export interface Doorbell {
  /** Tells every listener of a channel, in all processes. Never rejects; what cannot be told now is told later or not at
   *  all. Rings of one channel that wait to be sent are sent as one: of equal messages one is enough. */
  ring(channel: string, message: string): void;
  /** Calls `onRing` with what is rung, and with '' when rings may have been missed until now (once soon after the call
   *  too). Returns what ends it. */
  listen(channel: string, onRing: (message: string) => void): () => void;
}
