/** How long the data bus keeps documents. */
export interface Retention {
  /** Age in ms, at least 1,000; `null` is for ever. Default 604,800,000 (7 days). */
  readonly maxAgeMs: number | null;
  /** Size in bytes of one partition; `null` is any. Default `null`. */
  readonly maxBytes: number | null;
}

/** The one record of a topic, kept by the broker (design: C1). */
export interface StoredTopic {
  readonly v: 1;
  readonly kind: 'event' | 'data';
  readonly name: string;
  readonly order: 'none' | 'key';
  readonly partitions: number;
  readonly retention: Retention;
  /** Only the newest record of each key has to be kept. For topics that duobus itself uses. */
  readonly compacted: boolean;
  /** Made anew with every creation, so that positions of a deleted topic are not taken for those of its successor. */
  readonly incarnation: string;
}

/** What is stored if there is no record yet. */
export type WantedTopic = StoredTopic;
