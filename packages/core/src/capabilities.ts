/** What a resolved publish survives. */
export interface Durability {
  /** The broker's process is killed. */
  readonly processKill: boolean;
  /** The machine loses power. */
  readonly hostLoss: boolean;
  /** The leader of a replicated topic is lost for good. */
  readonly leaderLoss: boolean;
  /** On what that depends, in a sentence. */
  readonly note: string;
}

interface CommonCapabilities {
  readonly durability: Durability;
  readonly publish: {
    /** Publish calls per partition that may overlap. */
    readonly calls: number;
    /** Records in one call at most. */
    readonly maxRecords: number;
    /** Sum of body bytes in one call at most. */
    readonly maxBytes: number;
    /** Publishing the same array again after an unknown outcome stores it once. */
    readonly dedup: boolean;
  };
  /** Largest document (body plus headers) in bytes that the broker takes in its default configuration. */
  readonly maxDocumentBytes: number;
  /** How to raise it, in a sentence. */
  readonly maxDocumentBytesHelp: string;
}

/** What an adapter's event bus can do. Data, not code: runtime, suite and users read it. */
export interface QueueCapabilities extends CommonCapabilities {
  readonly order: { readonly none: boolean; readonly key: boolean };
  /** How long an unconsumed document is kept, in ms. `null` is unlimited. */
  readonly keepsForMs: number | null;
  /** Longest time in ms that a document may stay with a handler before the broker takes it back. */
  readonly leaseMs: number;
  /** Longest delay in ms of a retry that the broker itself holds. */
  readonly maxDelayMs: number;
  /** The broker may repeat a document without a cause of its own. */
  readonly brokerRepeats: boolean;
  /** `depth` counts what consumers hold. */
  readonly countsLeased: boolean;
  /** The broker tells how many consumers a subscription has, so that neglected ones are reported. */
  readonly countsConsumers: boolean;
}

/** What an adapter's data bus can do. */
export interface LogCapabilities extends CommonCapabilities {
  /** Offsets have no gaps, so that counts from subtraction are exact. */
  readonly dense: boolean;
  /** A time start may begin this much early, in ms. */
  readonly timeGranularityMs: number;
  /** A confirm tells the position. */
  readonly confirmHasPosition: boolean;
  /** A place needs its time to be found again (it then is part of the position). */
  readonly placeNeedsTime: boolean;
  readonly retention: {
    readonly age: boolean;
    readonly bytes: boolean;
    /** `topics.alter` changes that of an existing topic. */
    readonly alter: boolean;
  };
  /** A silent member is taken to be dead after this many ms. */
  readonly leaseMs: number;
}
