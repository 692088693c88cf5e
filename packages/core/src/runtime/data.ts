import type { LogCapabilities } from '../capabilities.ts';
import type {
  DataBus,
  From,
  HistoryEntry,
  Lag,
  Positions,
  ReadOptions,
  ResetOptions,
  ResetResult,
  SubscribeDataOptions,
  WaitOptions,
} from '../data-bus.ts';
import type { DeadLetters } from '../dead-letters.ts';
import type { LogDriver, StoredPointer, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import type { RemoveOptions, Topics } from '../event-bus.ts';
import type { Handle } from '../handle.ts';
import { checkOptions } from '../internal/check-options.ts';
import { randomToken } from '../internal/ids.ts';
import { checkName } from '../names.ts';
import { checkFlag, checkInteger, checkOneOf, checkSignal } from '../internal/check-values.ts';
import type { Receipt } from '../publish-options.ts';
import type { AnyTopic, Topic } from '../topic.ts';
import { consumeOptions, type Consume } from './consume-options.ts';
import type { ConsumerHandle } from './consumer-handle.ts';
import type { Context } from './context.ts';
import { deadLogName } from './dead-log.ts';
import { GroupLetters } from './group-letters.ts';
import type { Half } from './half.ts';
import type { PublishEnvelope } from './publishing.ts';
import { checkReadOptions, readHistory } from './history.ts';
import { lagOf, positionsOf } from './lag.ts';
import type { LogPolicy } from './log-assignment.ts';
import { LogDeadLetters } from './log-dead-letters.ts';
import { LogFeed } from './log-feed.ts';
import { decodePointer } from './pointer.ts';
import { resetGroup } from './reset.ts';
import type { AnyHandler } from './runner.ts';
import { checkFrom } from './starts.ts';
import { checkStoreKeeps, checkSubscribe, checkTopic, makeHandle, openAll } from './subscribing.ts';
import { waitForGroup } from './wait-for.ts';

const retryAtMostMs = 15 * 60_000;

/** A data bus on any log driver. */
export class Data implements DataBus {
  readonly #context: Context;
  readonly #half: Half<LogDriver>;
  readonly #handles: Set<ConsumerHandle>;
  /** By topic and group: the feeds of this process, for those that wait for a pointer. */
  readonly #feeds = new Map<string, Set<LogFeed>>();

  constructor(context: Context, half: Half<LogDriver>, handles: Set<ConsumerHandle>) {
    this.#context = context;
    this.#half = half;
    this.#handles = handles;
  }

  get capabilities(): LogCapabilities {
    return this.#half.driver.capabilities;
  }

  get topics(): Topics {
    return this.#half.topics;
  }

  publish: DataBus['publish'] = (topic, document, options) =>
    this.#half.publishing.publish(topic, document, options);

  publishMany: DataBus['publishMany'] = (topic, documents, options) =>
    this.#half.publishing.publishMany(topic, documents, options);

  /** For `publishEnvelope` of @duobus/core/envelopes. */
  publishEnvelope: PublishEnvelope = (topic, envelope, signal) =>
    this.#half.publishing.publishEnvelope(topic, envelope, signal);

  async subscribe(
    given: AnyTopic | readonly AnyTopic[],
    group: string,
    handler: unknown,
    options: SubscribeDataOptions = {},
  ): Promise<Handle> {
    this.#context.checkOpen('subscribe');
    const topics = checkSubscribe('group', given, group);
    const { graceMs = 25_000 } = this.#context.options;
    const consume = consumeOptions(
      'data',
      group,
      options,
      ['from', 'onLost', 'onPoison', 'commitIntervalMs'],
      { prefetch: 2_000, leaseMs: 2 ** 31, maxDelayMs: retryAtMostMs, graceMs },
    );
    checkPolicies(group, options);
    const handle = makeHandle(
      this.#context,
      consume,
      topics,
      handler as AnyHandler,
      this.#half.publishing,
      this.#handles,
    );
    handle.owns(this.capabilities.leaseMs);
    await openAll(
      handle,
      topics.map((topic) => () => this.#open(topic, handler, handle, consume, options)),
    );
    return handle;
  }

  async reset(
    topic: AnyTopic,
    group: string,
    to: From,
    options: ResetOptions = {},
  ): Promise<ResetResult> {
    checkOptions('reset', options, ['dryRun', 'graceMs', 'signal']);
    checkFlag('reset', 'dryRun', options.dryRun);
    checkInteger('reset', 'graceMs', options.graceMs, 0, Number.MAX_SAFE_INTEGER);
    checkSignal('reset', options.signal);
    const stored = await this.#existing('reset', topic, group);
    return resetGroup({
      driver: this.#half.driver,
      link: this.#half.link,
      topic: stored,
      group,
      to: checkFrom(`reset '${group}'`, to, stored),
      options,
      closed: this.#context.closed,
    });
  }

  async lag(topic: AnyTopic, group: string): Promise<Lag> {
    const stored = await this.#existing('lag', topic, group);
    return lagOf(this.#half, stored, group, this.#context.now());
  }

  async pointers(topic: AnyTopic, group: string): Promise<Positions> {
    return positionsOf(this.#half, await this.#existing('pointers', topic, group), group);
  }

  async waitFor(
    topic: AnyTopic,
    group: string,
    receipt: Receipt,
    options: WaitOptions = {},
  ): Promise<{ readonly outcome: 'done' | 'dead' }> {
    checkOptions('waitFor', options, ['timeoutMs', 'signal']);
    checkInteger('waitFor', 'timeoutMs', options.timeoutMs, 0, Number.MAX_SAFE_INTEGER);
    checkSignal('waitFor', options.signal);
    const stored = await this.#existing('waitFor', topic, group);
    const feeds = this.#feeds.get(feedKey(topic.name, group)) ?? new Set();
    return waitForGroup({
      half: this.#half,
      context: this.#context,
      topic: stored,
      group,
      receipt,
      options,
      feeds,
      letters: this.#letters(topic, group),
    });
  }

  async *read<Out>(
    topic: Topic<never, Out>,
    options: ReadOptions = {},
  ): AsyncGenerator<HistoryEntry<Out>> {
    this.#context.checkOpen('read');
    checkTopic('read', topic);
    checkReadOptions(options);
    const stored = await this.#half.topics.existing(topic, options.signal);
    yield* readHistory<Out>(this.#half, topic, stored, options);
  }

  async groups(topic: AnyTopic): Promise<readonly string[]> {
    checkTopic('groups', topic);
    const stored = await this.#half.topics.existing(topic);
    return this.#half.link.request((signal) => this.#half.driver.names(stored, signal));
  }

  async remove(topic: AnyTopic, group: string, options: RemoveOptions = {}): Promise<void> {
    checkOptions('remove', options, ['discard']);
    checkFlag('remove', 'discard', options.discard);
    const stored = await this.#existing('remove', topic, group);
    const letters = this.#letters(topic, group);
    if (options.discard !== true && !(await letters.isEmpty())) {
      throw new BusError(
        'DUOBUS_NOT_EMPTY',
        `group '${group}' of topic '${topic.name}' has dead letters, or redriven ones that are not handled yet: redrive and handle, or purge them first, or pass { discard: true }`,
        { context: { topic: topic.name, group } },
      );
    }
    await this.#half.link.request((signal) => this.#half.driver.removeGroup(stored, group, signal));
    await letters.discard();
  }

  deadLetters(topic: AnyTopic, group: string): DeadLetters {
    checkTopic('deadLetters', topic);
    checkName('group', group);
    return this.#letters(topic, group);
  }

  async #open(
    topic: AnyTopic,
    handler: unknown,
    handle: ConsumerHandle,
    consume: Consume,
    options: SubscribeDataOptions,
  ): Promise<void> {
    const { link, driver, topics } = this.#half;
    const { signal } = options;
    const { topology = 'create' } = this.#context.options;
    const group = consume.name;
    let stored = await topics.stored(topic, signal);
    checkStoreKeeps(handler, stored);
    const policy: LogPolicy = {
      from: checkFrom(`subscribe '${group}': from`, options.from ?? 'earliest', stored),
      onLost: options.onLost ?? 'fail',
      onPoison: options.onPoison ?? 'dead',
      commitIntervalMs: options.commitIntervalMs ?? 1_000,
      owner: randomToken(),
    };
    const log = await topics.internal(deadLogName(topic.name, group), topology, signal);
    const before = await pointersOf(this.#half, stored, group, signal);
    const resumed = before.some((pointer) => pointer !== undefined);
    handle.resumed ||= resumed;
    // Every partition that it has now begins where `from` says; those that are added later begin at their first record.
    if (!resumed) stored = await topics.fresh(topic.name, signal);
    checkCovers(group, policy, stored, resumed);
    let feed: LogFeed | undefined;
    const letters = new GroupLetters(
      this.#context,
      this.#half,
      log,
      [topic.name, group],
      (redriven) => feed?.redrive(redriven) ?? false,
    );
    feed = new LogFeed(this.#context, link, driver, stored, consume, policy, handle, letters);
    handle.add(feed);
    this.#keep(feed, feedKey(topic.name, group), handle);
    await feed.open(signal);
    await this.#started(stored, group, handle, signal);
    feed.begun = true;
  }

  /** D3: the start of every partition is stored, whichever member owns it. Another may have known of more partitions. */
  async #started(
    stored: StoredTopic,
    group: string,
    handle: ConsumerHandle,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let topic = stored;
    for (let waitMs = 5; ; waitMs = Math.min(waitMs * 2, 200)) {
      const pointers = await pointersOf(this.#half, topic, group, signal);
      const begun = pointers.flatMap((pointer) => pointer ?? []);
      const all = Math.max(
        topic.partitions,
        ...begun.map((pointer) => decodePointer(pointer, topic.partitions).partitions),
      );
      if (pointers.length >= all && pointers.slice(0, all).every((one) => one !== undefined))
        return;
      if (all > topic.partitions) topic = await this.#half.topics.fresh(topic.name, signal);
      await Promise.race([
        this.#context.timers.sleep(waitMs, signal ?? this.#context.closed),
        handle.done,
      ]);
      if (handle.state === 'closed')
        throw new BusError(
          'DUOBUS_CLOSED',
          `subscribe '${group}': it was closed before it had started`,
        );
    }
  }

  #keep(feed: LogFeed, key: string, handle: ConsumerHandle): void {
    const feeds = this.#feeds.get(key) ?? new Set();
    this.#feeds.set(key, feeds.add(feed));
    const forget = (): void => {
      feeds.delete(feed);
      if (feeds.size === 0) this.#feeds.delete(key);
    };
    handle.done.then(forget, forget);
  }

  #letters(topic: AnyTopic, group: string): LogDeadLetters {
    const { topics } = this.#half;
    return new LogDeadLetters(
      this.#half,
      async () => {
        const stored = await topics.existing(topic);
        try {
          return {
            topic: stored,
            log: await topics.internal(deadLogName(topic.name, group), 'check'),
          };
        } catch (error) {
          if (BusError.is(error, 'DUOBUS_NOT_FOUND')) return { topic: stored, log: undefined };
          throw error;
        }
      },
      group,
    );
  }

  async #existing(call: string, topic: AnyTopic, group: string): Promise<StoredTopic> {
    this.#context.checkOpen(call);
    checkTopic(call, topic);
    checkName('group', group);
    return this.#half.topics.existing(topic);
  }
}

function pointersOf(
  { link, driver }: Half<LogDriver>,
  topic: StoredTopic,
  group: string,
  signal: AbortSignal | undefined,
): Promise<readonly (StoredPointer | undefined)[]> {
  return link.request((inner) => driver.pointers(topic, group, inner), { signal });
}

function feedKey(topic: string, group: string): string {
  return `${topic} ${group}`;
}

function checkPolicies(
  group: string,
  { onLost, onPoison, commitIntervalMs }: SubscribeDataOptions,
): void {
  const call = `subscribe '${group}'`;
  checkOneOf(call, 'onLost', onLost, ['fail', 'earliest', 'latest']);
  checkOneOf(call, 'onPoison', onPoison, ['dead', 'halt']);
  checkInteger(call, 'commitIntervalMs', commitIntervalMs, 1, 600_000);
}

/** Positions as a start must say where every partition begins. */
function checkCovers(
  group: string,
  { from }: LogPolicy,
  stored: StoredTopic,
  resumed: boolean,
): void {
  if (
    resumed ||
    typeof from === 'string' ||
    !('places' in from) ||
    from.places.size >= stored.partitions
  )
    return;
  throw new TypeError(
    `subscribe '${group}': positions must name every partition of topic '${stored.name}', it has ${stored.partitions} and ${from.places.size} are given`,
  );
}
