/** Ages in ms and sizes in bytes per partition; `null` is unlimited. */
export interface Retention {
  readonly maxAgeMs: number | null;
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
