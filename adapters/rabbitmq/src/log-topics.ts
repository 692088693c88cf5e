import {
  BusError,
  type Registry,
  sameTopic,
  type StoredTopic,
  type TopologyMode,
  type WantedTopic,
} from '@duobus/core/driver';
import type { Links } from './folded-stream.ts';
import { genesisRecord } from './log-record.ts';
import { isMissing } from './native-errors.ts';
import type { RegistryStream } from './registry-stream.ts';
import { changed, missing } from './topic-records.ts';
import { dataStream, groupStream, partitionStream, registryQueue } from './topology.ts';

const kind = 'data';

/** Data topics: their records in the registry, a stream for every partition, and the names of groups. */
export class LogTopics {
  readonly #links: Links;
  readonly #registry: RegistryStream;

  constructor(links: Links, registry: RegistryStream) {
    this.#links = links;
    this.#registry = registry;
  }

  async ensureTopic(
    wanted: WantedTopic,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    const { name } = wanted;
    let stored = (await this.#registry.known(mode, signal))?.topic(kind, name);
    if (mode === 'check') {
      stored ??= (await this.#registry.fresh(mode, signal))?.topic(kind, name);
      if (stored === undefined)
        throw missing(`topic '${name}'`, `the registry '${registryQueue}' has no record of it`);
      await this.#check(stored, signal);
      return stored;
    }
    if (stored === undefined) {
      const look = (before: Registry): StoredTopic => before.topic(kind, name) ?? wanted;
      stored = await this.#registry.append({ v: 1, op: 'topic', topic: wanted }, look, signal);
    }
    await this.#declare(stored, 0, signal);
    // of those who race one writes the first lines; where it dies before, whoever looks at an end does
    if (stored.incarnation === wanted.incarnation) await this.#begin(stored, 0, signal);
    return stored;
  }

  async topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    const stored = (await this.#registry.fresh('check', signal))?.topics(kind) ?? [];
    return names === undefined ? stored : stored.filter((topic) => names.includes(topic.name));
  }

  /** New partitions are there before anybody is told. */
  async alterTopic(
    current: StoredTopic,
    next: StoredTopic,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    if (!sameTopic({ ...current, partitions: next.partitions }, next)) throw fixedRetention(next);
    if (next.partitions > current.partitions) {
      await this.#declare(next, current.partitions, signal);
      await this.#begin(next, current.partitions, signal);
    }
    const look = (before: Registry): StoredTopic | undefined => before.topic(kind, next.name);
    const op = { v: 1, op: 'alter', from: current, topic: next } as const;
    const found = await this.#registry.append(op, look, signal);
    if (found !== undefined && sameTopic(found, current)) return next;
    throw changed(next.name, found);
  }

  /** How many partitions a topic has, as far as it is known here. */
  async partitions(topic: StoredTopic, signal: AbortSignal): Promise<number> {
    const known = (await this.#registry.known('check', signal))?.topic(kind, topic.name);
    if (known !== undefined) return Math.max(known.partitions, topic.partitions);
    throw missing(`topic '${topic.name}'`, 'the registry has no record of it any more');
  }

  async groups(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    return (await this.#registry.fresh('check', signal))?.names(kind, topic.name) ?? [];
  }

  async addGroup(topic: StoredTopic, group: string, signal: AbortSignal): Promise<void> {
    const known = await this.#registry.known('check', signal);
    if (known?.names(kind, topic.name).includes(group) === true) return;
    const op = { v: 1, op: 'name', kind, topic: topic.name, name: group } as const;
    await this.#registry.append(op, () => undefined, signal);
  }

  /** The name goes last: a removal that was cut short is seen, and can be done again. */
  async removeGroup(topic: StoredTopic, group: string, signal: AbortSignal): Promise<void> {
    const queue = groupStream(topic.name, group);
    await this.#links
      .consume()
      .with(`remove group '${group}' of topic '${topic.name}'`, signal, (channel) =>
        channel.deleteQueue(queue),
      );
    const known = await this.#registry.fresh('check', signal);
    if (known?.names(kind, topic.name).includes(group) !== true) return;
    const op = { v: 1, op: 'drop-name', kind, topic: topic.name, name: group } as const;
    await this.#registry.append(op, () => undefined, signal);
  }

  /** Writes the first line of a stream, which says nothing: an empty stream cannot be told from a slow one. */
  async begin(queue: string, signal: AbortSignal): Promise<void> {
    const [outcome] = await this.#links.copies().send([genesisRecord(queue)], signal);
    if (outcome?.status !== 'stored')
      throw outcome?.error ?? new BusError('DUOBUS_BUG', 'a publish had no outcome');
  }

  async #begin(topic: StoredTopic, from: number, signal: AbortSignal): Promise<void> {
    await Promise.all(streamsOf(topic, from).map((queue) => this.begin(queue, signal)));
  }

  async #declare(topic: StoredTopic, from: number, signal: AbortSignal): Promise<void> {
    const declaration = dataStream(topic);
    await this.#links.consume().with(`make topic '${topic.name}'`, signal, async (channel) => {
      for (const queue of streamsOf(topic, from)) await channel.assertQueue(queue, declaration);
    });
  }

  async #check(topic: StoredTopic, signal: AbortSignal): Promise<void> {
    const what = `topic '${topic.name}'`;
    try {
      await this.#links.consume().with(`check ${what}`, signal, async (channel) => {
        for (const queue of streamsOf(topic, 0)) await channel.checkQueue(queue);
      });
    } catch (error) {
      if (signal.aborted || !isMissing(error)) throw error;
      throw missing(what, (error as Error).message);
    }
  }
}

export function streamsOf({ name, partitions }: StoredTopic, from = 0): readonly string[] {
  return Array.from({ length: partitions - from }, (_, index) =>
    partitionStream(name, from + index),
  );
}

function fixedRetention({ name }: StoredTopic): BusError {
  return new BusError(
    'DUOBUS_NOT_SUPPORTED',
    `topic '${name}': RabbitMQ lets no client change the retention of a stream: an operator does, with rabbitmqctl set_policy for the streams '${partitionStream(name, 0)}' and so on (max-age, max-length-bytes)`,
    { outcome: 'rejected', context: { topic: name } },
  );
}
