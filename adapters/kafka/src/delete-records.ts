import type { Connection } from './connection.ts';
import { kafkaCode } from './native-errors.ts';

const outOfRange = 1;

export interface Cut {
  readonly partition: number;
  /** Everything before it goes. */
  readonly offset: number;
}

/** Deletes the beginnings of partitions of one Kafka topic. What is deleted already is no error. */
export async function deleteBefore(
  { ends, control, settings }: Connection,
  topic: string,
  cuts: readonly Cut[],
): Promise<void> {
  const offsets = new Map(cuts.map(({ partition, offset }) => [partition, offset]));
  await ends.atLeaders(topic, [...offsets.keys()], async (leader, partitions) => {
    const wanted = partitions.map((partition) => ({
      partition,
      offset: String(offsets.get(partition)),
    }));
    try {
      await control.call(leader, (broker) =>
        broker.deleteRecords({
          topics: [{ topic, partitions: wanted }],
          timeout: settings.requestTimeoutMs,
        }),
      );
    } catch (error) {
      const failures = (error as { partitions?: readonly { error?: unknown }[] }).partitions;
      const first = failures?.find((failure) => kafkaCode(failure.error) !== outOfRange);
      if (failures === undefined) throw error;
      // out of range: another process has cut there and farther
      if (first !== undefined) throw first.error;
    }
  });
}
