import {
  BusError,
  type Registry,
  sameTopic,
  type StoredTopic,
  type TopologyMode,
  type WantedTopic,
} from '@duobus/core/driver';
import type { DelayQueues } from './delay-queues.ts';
import { untilDurable } from './durable-queue.ts';
import { isMissing } from './native-errors.ts';
import type { Links } from './folded-stream.ts';
import type { RegistryStream } from './registry-stream.ts';
import { Removals } from './removals.ts';
import {
  declareSubscription,
  declareTopic,
  exchangeName,
  queuesOf,
  registryQueue,
  requiredQueues,
} from './topology.ts';

const kind = 'event';

/** Where the registry keeps how many partitions a topic is going to have; `:` is in no name of a topic. */
function intentsOf(topic: StoredTopic): string {
  return `partitions:${topic.name}`;
}

/** Topics and subscriptions: their records in the registry, and the exchange and queues that belong to them. */
export class TopicRecords {
  readonly #links: Links;
  readonly #registry: RegistryStream;
  readonly #delays: DelayQueues;
  readonly #removals: Removals;

  constructor(links: Links, registry: RegistryStream, delays: DelayQueues) {
    this.#links = links;
    this.#registry = registry;
    this.#delays = delays;
    this.#removals = new Removals(registry);
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
      await this.#check(`topic '${name}'`, [], exchangeName(name), signal);
      return stored;
    }
    if (stored === undefined) {
      const look = (before: Registry): StoredTopic => before.topic(kind, name) ?? wanted;
      stored = await this.#registry.append({ v: 1, op: 'topic', topic: wanted }, look, signal);
    }
    const topic = stored;
    await this.#links
      .consume()
      .with(`make topic '${name}'`, signal, (channel) => declareTopic(channel, topic));
    return topic;
  }

  async topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    const stored = (await this.#registry.fresh('check', signal))?.topics(kind) ?? [];
    return names === undefined ? stored : stored.filter((topic) => names.includes(topic.name));
  }

  async names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    return (await this.#registry.fresh('check', signal))?.names(kind, topic.name) ?? [];
  }

  /** How many partitions a topic has, as far as it is known here. */
  async partitions(topic: StoredTopic, signal: AbortSignal): Promise<number> {
    const known = (await this.#registry.known('check', signal))?.topic(kind, topic.name);
    return Math.max(known?.partitions ?? 0, topic.partitions);
  }

  /**
   * The intent comes first in the log: a subscription that is registered after it makes the new queues itself, and one
   * that is registered before it is seen here. So every subscription has its queues before anyone publishes to them.
   */
  async alterTopic(
    current: StoredTopic,
    next: StoredTopic,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    if (next.partitions > current.partitions && next.order === 'key') {
      const intent = {
        v: 1,
        op: 'name',
        kind,
        topic: intentsOf(next),
        name: String(next.partitions),
      } as const;
      const names = await this.#registry.append(
        intent,
        (before) => before.names(kind, next.name),
        signal,
      );
      for (const name of names) await this.#declare(next, name, next.partitions, signal);
      if (names.length > 0) await untilDurable(signal);
    }
    const look = (before: Registry): StoredTopic | undefined => before.topic(kind, next.name);
    const found = await this.#registry.append(
      { v: 1, op: 'alter', from: current, topic: next },
      look,
      signal,
    );
    if (found !== undefined && sameTopic(found, current)) return next;
    throw changed(next.name, found);
  }

  async ensureSubscription(
    topic: StoredTopic,
    name: string,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<'created' | 'existed'> {
    if (mode === 'check') {
      await this.#checkSubscription(topic, name, signal);
      return 'existed';
    }
    const existed = await this.#removals.outside(topic, name, signal, () =>
      this.#makeSubscription(topic, name, signal),
    );
    if (existed) await this.#registry.untilOldEnough(topic.name, name, signal);
    else await untilDurable(signal);
    return existed ? 'existed' : 'created';
  }

  /** Registers the name and makes the queues. Returns whether it was registered before. */
  async #makeSubscription(topic: StoredTopic, name: string, signal: AbortSignal): Promise<boolean> {
    const mode = 'create';
    const known = await this.#registry.known(mode, signal);
    let existed = known?.names(kind, topic.name).includes(name) === true;
    if (!existed) {
      const look = (before: Registry): boolean => before.names(kind, topic.name).includes(name);
      existed = await this.#registry.append(
        { v: 1, op: 'name', kind, topic: topic.name, name },
        look,
        signal,
      );
    }
    const registry = await this.#registry.known(mode, signal);
    await this.#declare(topic, name, partitionsToMake(registry, topic), signal);
    return existed;
  }

  /** The name goes last: a removal that was cut short is seen, and can be done again. */
  async removeSubscription(topic: StoredTopic, name: string, signal: AbortSignal): Promise<void> {
    await this.#removals.during(
      topic,
      name,
      signal,
      (before) => partitionsToMake(before, topic),
      (partitions) => this.#remove(topic, name, partitions, signal),
    );
  }

  async #remove(
    topic: StoredTopic,
    name: string,
    partitions: number,
    signal: AbortSignal,
  ): Promise<void> {
    const queues = queuesOf(topic, name);
    const delays = await this.#delays.of(queues, signal);
    const required = requiredQueues(queues, topic.order, partitions);
    await this.#links
      .consume()
      .with(`remove subscription '${name}' of topic '${topic.name}'`, signal, async (channel) => {
        // documents stop coming with the main queues; what delays still hold must not come back to them
        for (const queue of [...required.toReversed(), ...delays]) await channel.deleteQueue(queue);
      });
    await this.#delays.forget(queues, delays, signal);
    await this.#registry.append(
      { v: 1, op: 'drop-name', kind, topic: topic.name, name },
      () => undefined,
      signal,
    );
  }

  async #declare(
    topic: StoredTopic,
    name: string,
    partitions: number,
    signal: AbortSignal,
  ): Promise<void> {
    const tried = `make subscription '${name}' of topic '${topic.name}'`;
    await this.#links
      .consume()
      .with(tried, signal, (channel) =>
        declareSubscription(channel, topic, queuesOf(topic, name), partitions),
      );
  }

  async #checkSubscription(topic: StoredTopic, name: string, signal: AbortSignal): Promise<void> {
    const what = `subscription '${name}' of topic '${topic.name}'`;
    const registry = await this.#registry.fresh('check', signal);
    if (registry?.names(kind, topic.name).includes(name) !== true) {
      throw missing(what, `the registry '${registryQueue}' does not name it`);
    }
    await this.#check(
      what,
      requiredQueues(queuesOf(topic, name), topic.order, topic.partitions),
      undefined,
      signal,
    );
  }

  async #check(
    what: string,
    queues: readonly string[],
    exchange: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await this.#links.consume().with(`check ${what}`, signal, async (channel) => {
        if (exchange !== undefined) await channel.checkExchange(exchange);
        for (const queue of queues) await channel.checkQueue(queue);
      });
    } catch (error) {
      if (signal.aborted || !isMissing(error)) throw error;
      throw missing(what, (error as Error).message);
    }
  }
}

function partitionsToMake(registry: Registry | undefined, topic: StoredTopic): number {
  const intents = registry?.names(kind, intentsOf(topic)) ?? [];
  const now = registry?.topic(kind, topic.name)?.partitions ?? 0;
  return Math.max(topic.partitions, now, ...intents.map(Number));
}

export function missing(what: string, why: string): BusError {
  return new BusError(
    'DUOBUS_NOT_FOUND',
    `RabbitMQ: ${what} does not exist (${why}), and topology 'check' makes nothing: run once with topology 'create', or declare it`,
  );
}

export function changed(name: string, found: StoredTopic | undefined): BusError {
  const now =
    found === undefined
      ? 'is gone'
      : `has ${String(found.partitions)} partitions and retention ${JSON.stringify(found.retention)}`;
  return new BusError(
    'DUOBUS_CONFLICT',
    `topic '${name}' was changed by somebody else meanwhile: it ${now}; read it and try again`,
    { retryable: true },
  );
}
