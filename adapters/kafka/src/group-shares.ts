/** A partition of a Kafka topic. */
export interface KafkaPartition {
  readonly topic: string;
  readonly partition: number;
}

/** What a group shares out among its members: numbers, and where the partition of each number is kept. */
export interface GroupShares {
  /** For the frame that Kafka's tools read. */
  readonly topic: string;
  /** How many there are now: 0 to count - 1. */
  count(): Promise<number>;
  at(partition: number): KafkaPartition;
  /** Not shared out: whoever owns number 0 owns this one too. */
  readonly companion?: number;
}

/** All partitions of one Kafka topic. */
export function partitionsIn(topic: string): Pick<GroupShares, 'topic' | 'at'> {
  return { topic, at: (partition) => ({ topic, partition }) };
}

/** Puts what concerns partitions together by the Kafka topic that they are kept in. */
export function byTopic<T>(
  items: readonly T[],
  at: (item: T) => KafkaPartition,
): { readonly topic: string; readonly items: readonly T[] }[] {
  const topics = new Map<string, T[]>();
  for (const item of items) {
    const { topic } = at(item);
    const known = topics.get(topic);
    if (known === undefined) topics.set(topic, [item]);
    else known.push(item);
  }
  return [...topics].map(([topic, grouped]) => ({ topic, items: grouped }));
}
