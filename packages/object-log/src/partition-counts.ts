import type { StoredTopic } from '@duobus/core/driver';
import { topicRing } from './log-channel.ts';
import { type Moment, moment, msSince } from './moment.ts';
import type { TopicShelf } from './topic-shelf.ts';

/** Groups ask at every look; a number of partitions may be 10 s old. */
const keptMs = 9_000;

interface Counted {
  readonly partitions: number;
  readonly asOf: Moment;
}

/** How many partitions topics have. */
export class PartitionCounts {
  readonly #shelf: TopicShelf;
  readonly #listen: (topic: StoredTopic, onRing: (message: string) => void) => () => void;
  readonly #counted = new Map<string, Counted>();

  constructor(
    shelf: TopicShelf,
    listen: (topic: StoredTopic, onRing: (message: string) => void) => () => void,
  ) {
    this.#shelf = shelf;
    this.#listen = listen;
  }

  /** @throws BusError DUOBUS_NOT_FOUND */
  async of(topic: StoredTopic, signal: AbortSignal): Promise<number> {
    const known = this.#counted.get(topic.incarnation);
    if (known !== undefined && msSince(known.asOf) < keptMs) return known.partitions;
    const asOf = moment();
    const { partitions } = (await this.#shelf.current(topic, signal)).topic;
    this.#counted.set(topic.incarnation, { partitions, asOf });
    return partitions;
  }

  forget({ incarnation }: StoredTopic): void {
    this.#counted.delete(incarnation);
  }

  /** Forgets when a bell says that the topic was altered. Returns what ends it. */
  watch(topic: StoredTopic): () => void {
    return this.#listen(topic, (message) => {
      if (message === topicRing) this.forget(topic);
    });
  }
}
