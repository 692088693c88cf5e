import type { StoredTopic } from '@duobus/core/driver';
import { appendedRing, startRing } from './log-channel.ts';
import { LogKeeper } from './log-keeper.ts';
import type { ObjectLogOptions } from './options.ts';
import { PartitionLog } from './partition-log.ts';
import { PartitionWriter } from './partition-writer.ts';

const minute = 60_000;

interface Partition {
  readonly log: PartitionLog;
  readonly writer: PartitionWriter;
  readonly keeper: LogKeeper;
  /** As the last caller knew it. */
  topic: StoredTopic;
}

/** The partitions that this process uses. */
export class Partitions {
  readonly #options: ObjectLogOptions<unknown>;
  readonly #channelOf: (topic: StoredTopic) => string;
  readonly #partitions = new Map<string, Partition>();

  constructor(options: ObjectLogOptions<unknown>, channelOf: (topic: StoredTopic) => string) {
    this.#options = options;
    this.#channelOf = channelOf;
  }

  log(topic: StoredTopic, partition: number): PartitionLog {
    return this.#get(topic, partition).log;
  }

  writer(topic: StoredTopic, partition: number): PartitionWriter {
    const found = this.#get(topic, partition);
    found.topic = topic;
    return found.writer;
  }

  keeper(topic: StoredTopic, partition: number): LogKeeper {
    return this.#get(topic, partition).keeper;
  }

  all(topic: StoredTopic): readonly PartitionLog[] {
    return Array.from({ length: topic.partitions }, (_, partition) => this.log(topic, partition));
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.#partitions.values()].map(async ({ writer, keeper }) => {
        await Promise.all([writer.close(), keeper.close()]);
      }),
    );
  }

  #get(topic: StoredTopic, partition: number): Partition {
    const key = `${topic.incarnation}/${partition}`;
    const known = this.#partitions.get(key);
    if (known !== undefined) return known;
    const made = this.#make(topic, partition);
    this.#partitions.set(key, made);
    return made;
  }

  #make(topic: StoredTopic, partition: number): Partition {
    const { store, root, doorbell, shelf, capabilities, rivalWaitMs = 200 } = this.#options;
    const {
      trustMs = 5 * minute,
      deleteAfterMs = 30 * minute,
      everyMs = 5 * minute,
      notMoreOftenThanMs = 2_000,
    } = this.#options.upkeep ?? {};
    const channel = this.#channelOf(topic);
    const log = new PartitionLog(store, root, topic, partition, trustMs);
    const keeper = new LogKeeper(log, {
      topic: async (signal) => (await shelf.current(topic, signal)).topic,
      deleteAfterMs,
      granularityMs: capabilities.timeGranularityMs,
      everyMs,
      notMoreOftenThanMs,
      begins: () => doorbell.ring(channel, startRing(partition)),
    });
    const writer = new PartitionWriter(log, {
      validMs: Math.max(trustMs, deleteAfterMs / 2),
      rivalWaitMs,
      appended: (end, bytes) => {
        doorbell.ring(channel, appendedRing(partition, end));
        made.keeper.appended(bytes, made.topic);
      },
    });
    const made: Partition = { log, writer, keeper, topic };
    return made;
  }
}
