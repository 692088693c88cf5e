import { abortable } from '@duobus/core/driver';
import { madeWith, tierFor } from './delay-tiers.ts';
import { untilDurable } from './durable-queue.ts';
import type { Links } from './folded-stream.ts';
import type { RegistryStream } from './registry-stream.ts';
import { isMissing } from './native-errors.ts';
import { delayQueue, type SubscriptionQueues } from './topology.ts';

const makeMs = 30_000;

/** Where the registry keeps which delay queues a subscription has; `:` is in no name of a topic. */
function registeredAs(queues: SubscriptionQueues): string {
  return `delays:${queues.base}`;
}

/** The queues that hold documents until their retry is due, made when they are first needed. */
export class DelayQueues {
  readonly #links: Links;
  readonly #registry: RegistryStream;
  readonly #made = new Map<string, Promise<void>>();

  constructor(links: Links, registry: RegistryStream) {
    this.#links = links;
    this.#registry = registry;
  }

  /** The queue from which a document comes (back) to `partition` after `delayMs`. */
  async queueFor(
    queues: SubscriptionQueues,
    delayMs: number,
    partition: number,
    signal: AbortSignal,
  ): Promise<string> {
    const target = queues.main(partition);
    const ms = tierFor(delayMs);
    if (ms === undefined) return target;
    const queue = queues.delay(ms, partition);
    const made = this.#made.get(queue) ?? this.#makeWith(ms, queues, partition);
    const since = performance.now();
    await abortable(made, signal);
    const rest = delayMs - (performance.now() - since);
    // the first retry of its kind has waited for its queue
    return rest > 0 ? queue : target;
  }

  /** Another process may have removed and made the subscription again since it was last consumed here. */
  recheck(queues: SubscriptionQueues): void {
    for (const queue of this.#made.keys()) {
      if (queue.startsWith(`${queues.base}:`)) this.#made.delete(queue);
    }
  }

  /** The delay queues that any process has made for a subscription. */
  async of(queues: SubscriptionQueues, signal: AbortSignal): Promise<readonly string[]> {
    const registry = await this.#registry.fresh('check', signal);
    return registry?.names('event', registeredAs(queues)) ?? [];
  }

  /** How many documents they hold. */
  async count(queues: readonly string[], signal: AbortSignal): Promise<number> {
    const tried = 'count what waits for a retry';
    const ask = (names: readonly string[]): Promise<number> =>
      this.#links.consume().with(tried, signal, async (channel) => {
        const infos = await Promise.all(names.map((name) => channel.checkQueue(name)));
        return infos.reduce((sum, { messageCount }) => sum + messageCount, 0);
      });
    const unlessMissing = (error: unknown): number => {
      if (isMissing(error)) return 0;
      throw error;
    };
    if (queues.length === 0) return 0;
    try {
      return await ask(queues);
    } catch (error) {
      unlessMissing(error);
    }
    // one of them is registered, but not there yet
    const counts = queues.map((queue) => ask([queue]).catch(unlessMissing));
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  /** Takes them off the registry, after they have been deleted. */
  async forget(
    queues: SubscriptionQueues,
    deleted: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const topic = registeredAs(queues);
    for (const name of deleted) this.#made.delete(name);
    await Promise.all(deleted.map((name) => this.#register('drop-name', topic, name, signal)));
  }

  #makeWith(tier: number, queues: SubscriptionQueues, partition: number): Promise<void> {
    const all = madeWith(tier);
    // shared by all who wait for one of them, so not bound to the signal of one
    const making = this.#make(queues, all, partition, AbortSignal.timeout(makeMs));
    for (const ms of all) {
      const queue = queues.delay(ms, partition);
      this.#made.set(queue, making);
      making.catch(() => this.#made.delete(queue)); // told to those who wait; the next one tries anew
    }
    return making;
  }

  /** Registered first: a delay queue that nobody knows of would be neither counted nor removed. */
  async #make(
    queues: SubscriptionQueues,
    all: readonly number[],
    partition: number,
    signal: AbortSignal,
  ): Promise<void> {
    const topic = registeredAs(queues);
    const names = all.map((ms) => queues.delay(ms, partition));
    const registered = (await this.#registry.known('create', signal))?.names('event', topic) ?? [];
    const missing = names.filter((name) => !registered.includes(name));
    await Promise.all(missing.map((name) => this.#register('name', topic, name, signal)));
    await this.#links
      .consume()
      .with(`make the delay queues of '${queues.base}'`, signal, async (channel) => {
        for (const ms of all) {
          const target = queues.main(partition);
          await channel.assertQueue(queues.delay(ms, partition), delayQueue(ms, target));
        }
      });
    if (missing.length > 0) await untilDurable(signal);
    else await Promise.all(names.map((name) => this.#registry.untilOldEnough(topic, name, signal)));
  }

  async #register(
    op: 'name' | 'drop-name',
    topic: string,
    name: string,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#registry.append({ v: 1, op, kind: 'event', topic, name }, () => undefined, signal);
  }
}
