import type { QueueCapabilities } from '../capabilities.ts';
import type { DeadLetters } from '../dead-letters.ts';
import type { QueueDriver, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import type {
  Depth,
  EventBus,
  RemoveOptions,
  SubscribeEventsOptions,
  Topics,
} from '../event-bus.ts';
import type { Handle } from '../handle.ts';
import { checkOptions } from '../internal/check-options.ts';
import { checkFlag } from '../internal/check-values.ts';
import { checkName } from '../names.ts';
import type { AnyTopic } from '../topic.ts';
import { consumeOptions } from './consume-options.ts';
import type { ConsumerHandle } from './consumer-handle.ts';
import type { Context } from './context.ts';
import type { Half } from './half.ts';
import type { PublishEnvelope } from './publishing.ts';
import { QueueDeadLetters } from './queue-dead-letters.ts';
import { QueueFeed } from './queue-feed.ts';
import type { AnyHandler } from './runner.ts';
import { checkStoreKeeps, checkSubscribe, checkTopic, makeHandle, openAll } from './subscribing.ts';

/** An event bus on any queue driver. */
export class Events implements EventBus {
  readonly #context: Context;
  readonly #half: Half<QueueDriver>;
  readonly #handles: Set<ConsumerHandle>;

  constructor(context: Context, half: Half<QueueDriver>, handles: Set<ConsumerHandle>) {
    this.#context = context;
    this.#half = half;
    this.#handles = handles;
  }

  get capabilities(): QueueCapabilities {
    return this.#half.driver.capabilities;
  }

  get topics(): Topics {
    return this.#half.topics;
  }

  publish: EventBus['publish'] = (topic, document, options) =>
    this.#half.publishing.publish(topic, document, options);

  publishMany: EventBus['publishMany'] = (topic, documents, options) =>
    this.#half.publishing.publishMany(topic, documents, options);

  /** For `publishEnvelope` of @duobus/core/envelopes. */
  publishEnvelope: PublishEnvelope = (topic, envelope, signal) =>
    this.#half.publishing.publishEnvelope(topic, envelope, signal);

  async subscribe(
    given: AnyTopic | readonly AnyTopic[],
    name: string,
    handler: unknown,
    options: SubscribeEventsOptions = {},
  ): Promise<Handle> {
    this.#context.checkOpen('subscribe');
    const topics = checkSubscribe('subscription', given, name);
    const { capabilities } = this.#half.driver;
    const { graceMs = 25_000, topology = 'create' } = this.#context.options;
    const consume = consumeOptions('event', name, options, [], {
      prefetch: 300,
      leaseMs: capabilities.leaseMs,
      maxDelayMs: capabilities.maxDelayMs,
      graceMs,
    });
    const handle = makeHandle(
      this.#context,
      consume,
      topics,
      handler as AnyHandler,
      this.#half.publishing,
      this.#handles,
    );
    const { signal } = options;
    const opens = topics.map((topic) => async () => {
      const stored = await this.#half.topics.stored(topic, signal);
      checkStoreKeeps(handler, stored);
      const made = await this.#half.link.requestInTurn(
        (inner) => this.#half.driver.ensureSubscription(stored, name, topology, inner),
        signal,
      );
      if (made === 'existed') handle.resumed = true;
      const feed = new QueueFeed(
        this.#context,
        this.#half.link,
        this.#half.driver,
        stored,
        consume,
        handle,
      );
      handle.add(feed);
      await feed.open(signal);
    });
    await openAll(handle, opens);
    return handle;
  }

  async unsubscribe(topic: AnyTopic, name: string, options: RemoveOptions = {}): Promise<void> {
    checkOptions('unsubscribe', options, ['discard']);
    checkFlag('unsubscribe', 'discard', options.discard);
    const stored = await this.#existing('unsubscribe', topic, name);
    const { driver, link } = this.#half;
    if (options.discard !== true) {
      const dead = await this.#deadOf(stored, name);
      if (dead > 0)
        throw new BusError(
          'DUOBUS_NOT_EMPTY',
          `subscription '${name}' of topic '${topic.name}' has ${dead} dead letters: redrive or purge them first, or pass { discard: true }`,
          { context: { topic: topic.name, name, dead } },
        );
    }
    await link.request((signal) => driver.removeSubscription(stored, name, signal));
  }

  async subscriptions(topic: AnyTopic): Promise<readonly string[]> {
    checkTopic('subscriptions', topic);
    const stored = await this.#half.topics.existing(topic);
    return this.#half.link.request((signal) => this.#half.driver.names(stored, signal));
  }

  async depth(topic: AnyTopic, name: string): Promise<Depth> {
    const stored = await this.#existing('depth', topic, name);
    const counts = await this.#half.link.request((signal) =>
      this.#half.driver.inspect(stored, name, signal),
    );
    return {
      ready: counts.ready,
      leased: counts.leased,
      delayed: counts.delayed,
      dead: counts.dead,
      total: counts.ready + (counts.leased ?? 0) + counts.delayed,
    };
  }

  deadLetters(topic: AnyTopic, name: string): DeadLetters {
    checkTopic('deadLetters', topic);
    checkName('subscription', name);
    return new QueueDeadLetters(
      this.#half.driver,
      this.#half.link,
      () => this.#half.topics.existing(topic),
      name,
    );
  }

  async #existing(call: string, topic: AnyTopic, name: string): Promise<StoredTopic> {
    this.#context.checkOpen(call);
    checkTopic(call, topic);
    checkName('subscription', name);
    return this.#half.topics.existing(topic);
  }

  /** 0 for a subscription that does not exist: removing it again is no error. */
  async #deadOf(stored: StoredTopic, name: string): Promise<number> {
    try {
      return (
        await this.#half.link.request((signal) => this.#half.driver.inspect(stored, name, signal))
      ).dead;
    } catch (error) {
      if (BusError.is(error, 'DUOBUS_NOT_FOUND')) return 0;
      throw error;
    }
  }
}
