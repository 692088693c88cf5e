import { tierFor } from './delay-tiers.ts';
import type { Links, RegistryStream } from './registry-stream.ts';
import { delayQueue, type SubscriptionQueues } from './topology.ts';

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
    let made = this.#made.get(queue);
    if (made === undefined) {
      made = this.#make(queues, queue, ms, target, signal);
      this.#made.set(queue, made);
      made.catch(() => this.#made.delete(queue)); // told below; the next one tries anew
    }
    const since = performance.now();
    await made;
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

  /** Takes them off the registry, after they have been deleted. */
  async forget(queues: SubscriptionQueues, deleted: readonly string[], signal: AbortSignal): Promise<void> {
    const topic = registeredAs(queues);
    for (const name of deleted) {
      this.#made.delete(name);
      await this.#registry.append({ v: 1, op: 'drop-name', kind: 'event', topic, name }, () => undefined, signal);
    }
  }

  /** Registered first: a delay queue that nobody knows of would be neither counted nor removed. */
  async #make(
    queues: SubscriptionQueues,
    queue: string,
    ms: number,
    target: string,
    signal: AbortSignal,
  ): Promise<void> {
    const topic = registeredAs(queues);
    const registry = await this.#registry.known('create', signal);
    if (registry?.names('event', topic).includes(queue) !== true) {
      await this.#registry.append({ v: 1, op: 'name', kind: 'event', topic, name: queue }, () => undefined, signal);
    }
    await this.#links
      .consume()
      .with(`make the delay queue '${queue}'`, signal, (channel) =>
        channel.assertQueue(queue, delayQueue(ms, target)),
      );
    await this.#registry.untilDurable(topic, queue, signal);
  }
}
