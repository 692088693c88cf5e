import type { LogDriver, QueueDriver, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import type { AlterOptions, TopicInfo, Topics } from '../event-bus.ts';
import { checkInteger } from '../internal/check-values.ts';
import { checkRetention } from '../names.ts';
import { abortable } from '../internal/abort.ts';
import { checkOptions } from '../internal/check-options.ts';
import { randomToken } from '../internal/ids.ts';
import type { AnyTopic } from '../topic.ts';
import type { Context } from './context.ts';
import type { Link } from './link.ts';

const day = 86_400_000;
/** Below the 30 s within which additions are noticed. */
const refreshMs = 10_000;
/** Topics that duobus makes for itself: no user topic can be named so. */
const internalPrefix = 'duobus.';

/** The records of the topics that this process uses, kept fresh with one request for all. */
export class TopicCache implements Topics {
  readonly #driver: QueueDriver | LogDriver;
  readonly #link: Link;
  readonly #context: Context;
  readonly #kind: StoredTopic['kind'];
  readonly #known = new Map<string, StoredTopic>();
  readonly #asking = new Map<string, Promise<StoredTopic>>();
  /** Compared once: partitions that are added later do not make a running process fail. */
  readonly #agreed = new WeakSet<AnyTopic>();
  #refresh: (() => void) | undefined;

  constructor(
    driver: QueueDriver | LogDriver,
    kind: StoredTopic['kind'],
    link: Link,
    context: Context,
  ) {
    this.#driver = driver;
    this.#kind = kind;
    this.#link = link;
    this.#context = context;
  }

  /** The record if this process has it and the topic's options agree. */
  known(topic: AnyTopic): StoredTopic | undefined {
    const stored = this.#known.get(topic.name);
    if (stored !== undefined && !this.#agreed.has(topic)) this.#compare(topic, stored);
    return stored;
  }

  /** Topics of the user's that this process uses. */
  get used(): readonly StoredTopic[] {
    return [...this.#known.values()].filter(({ name }) => !name.startsWith(internalPrefix));
  }

  current(name: string): StoredTopic | undefined {
    return this.#known.get(name);
  }

  /** The record, created if the topology mode allows it.
   *  @throws BusError DUOBUS_TOPIC_MISMATCH, DUOBUS_NOT_FOUND */
  async stored(topic: AnyTopic, signal?: AbortSignal): Promise<StoredTopic> {
    const known = this.known(topic);
    if (known !== undefined) return known;
    const stored = await this.#ask(
      this.#wanted(topic),
      this.#context.options.topology ?? 'create',
      signal,
    );
    this.#compare(topic, stored);
    return stored;
  }

  /** The record of a topic that must be there.
   *  @throws BusError DUOBUS_NOT_FOUND */
  async existing(topic: AnyTopic, signal?: AbortSignal): Promise<StoredTopic> {
    return this.known(topic) ?? (await this.#ask(this.#wanted(topic), 'check', signal));
  }

  /** The record as it is now. @throws BusError DUOBUS_NOT_FOUND */
  async fresh(name: string, signal?: AbortSignal): Promise<StoredTopic> {
    const [stored] = await this.#link.request((inner) => this.#driver.topics([name], inner), {
      signal,
    });
    if (stored === undefined)
      throw new BusError('DUOBUS_NOT_FOUND', `topic '${name}' does not exist any more`, {
        context: { topic: name },
      });
    this.#keep(stored);
    return stored;
  }

  /** A topic of duobus's own: compacted, one partition. */
  async internal(
    name: string,
    mode: 'create' | 'check',
    signal?: AbortSignal,
  ): Promise<StoredTopic> {
    const wanted: StoredTopic = {
      v: 1,
      kind: this.#kind,
      name,
      order: 'key',
      partitions: 1,
      retention: { maxAgeMs: null, maxBytes: null },
      compacted: true,
      incarnation: randomToken(),
    };
    return this.#known.get(name) ?? (await this.#ask(wanted, mode, signal));
  }

  forget(name: string): void {
    this.#known.delete(name);
  }

  async ensure(topic: AnyTopic): Promise<TopicInfo> {
    return infoOf(await this.stored(topic));
  }

  async list(): Promise<readonly TopicInfo[]> {
    const all = await this.#link.request((signal) => this.#driver.topics(undefined, signal));
    return all.filter((stored) => !stored.name.startsWith(internalPrefix)).map(infoOf);
  }

  async alter(topic: AnyTopic, change: AlterOptions): Promise<TopicInfo> {
    const call = `topics.alter '${topic.name}'`;
    const given = checkOptions(call, change, ['partitions', 'retention']);
    checkInteger(call, 'partitions', given['partitions'], 1, 1_024);
    checkRetention(call, given['retention']);
    this.#known.delete(topic.name);
    const current = await this.#ask(this.#wanted(topic), 'check', undefined);
    if (change.partitions !== undefined && change.partitions < current.partitions) {
      throw new TypeError(
        `${call}: partitions can only be added, topic '${topic.name}' has ${current.partitions}`,
      );
    }
    if (change.partitions !== undefined && change.partitions > 1 && current.order === 'none') {
      throw new TypeError(
        `${call}: an event topic without order has one partition; partitions are for order: 'key'`,
      );
    }
    const next = {
      ...current,
      partitions: change.partitions ?? current.partitions,
      retention: { ...current.retention, ...change.retention },
    };
    const stored = await this.#link.request((signal) =>
      this.#driver.alterTopic(current, next, signal),
    );
    this.#keep(stored);
    return infoOf(stored);
  }

  close(): void {
    this.#refresh?.();
  }

  async #ask(
    wanted: StoredTopic,
    mode: 'create' | 'check',
    signal: AbortSignal | undefined,
  ): Promise<StoredTopic> {
    const key = `${mode}:${wanted.name}`;
    this.#checkOrder(wanted);
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = this.#link
        .requestInTurn((inner) => this.#driver.ensureTopic(wanted, mode, inner))
        .finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    const stored = await abortable(asking, signal);
    this.#checkOrder(stored);
    this.#keep(stored);
    return stored;
  }

  #keep(stored: StoredTopic): void {
    this.#known.set(stored.name, stored);
    this.#refresh ??= this.#context.timers.after(refreshMs, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    try {
      const names = [...this.#known.keys()];
      const fresh = await this.#link.request((signal) => this.#driver.topics(names, signal), {
        timeoutMs: refreshMs,
      });
      const found = new Map(fresh.map((stored) => [stored.name, stored]));
      for (const name of names) {
        const stored = found.get(name);
        if (stored === undefined) this.#known.delete(name);
        else this.#known.set(name, stored);
      }
    } catch (error) {
      if (this.#context.closed.aborted) return;
      this.#link.failed(error);
    }
    this.#refresh = this.#context.timers.after(refreshMs, () => void this.#renew());
  }

  #wanted(topic: AnyTopic): StoredTopic {
    const { order = 'none', partitions, retention } = topic.options;
    const ordered = this.#kind === 'data' || order === 'key';
    return {
      v: 1,
      kind: this.#kind,
      name: topic.name,
      order: ordered ? 'key' : 'none',
      partitions: ordered ? (partitions ?? 4) : 1,
      retention:
        this.#kind === 'data'
          ? { maxAgeMs: 7 * day, maxBytes: null, ...retention }
          : { maxAgeMs: null, maxBytes: null },
      compacted: false,
      incarnation: randomToken(),
    };
  }

  #checkOrder({ name, order }: StoredTopic): void {
    const driver = this.#driver;
    if (driver.kind === 'log' || driver.capabilities.order[order]) return;
    throw new BusError(
      'DUOBUS_NOT_SUPPORTED',
      `this adapter's event bus does not support order: '${order}', which topic '${name}' asks for: see bus.events.capabilities.order`,
      { outcome: 'rejected', context: { topic: name, order } },
    );
  }

  /** Options that were not given adopt what is stored; a given one that differs is an error. */
  #compare(topic: AnyTopic, stored: StoredTopic): void {
    const { order, partitions, retention } = topic.options;
    const differ = (option: string, given: unknown, kept: unknown): never => {
      throw new BusError(
        'DUOBUS_TOPIC_MISMATCH',
        `topic '${topic.name}': ${option} is given as ${String(given)}, and stored as ${String(kept)}. Leave the option out, give the stored value, or change the topic with topics.alter`,
        { context: { topic: topic.name, option, given, stored: kept } },
      );
    };
    if (this.#kind === 'event' && order !== undefined && order !== stored.order)
      differ('order', order, stored.order);
    const hasPartitions = this.#kind === 'data' || stored.order === 'key';
    if (hasPartitions && partitions !== undefined && partitions !== stored.partitions)
      differ('partitions', partitions, stored.partitions);
    for (const option of ['maxAgeMs', 'maxBytes'] as const) {
      const given = this.#kind === 'data' ? retention?.[option] : undefined;
      if (given !== undefined && given !== stored.retention[option])
        differ(`retention.${option}`, given, stored.retention[option]);
    }
    this.#agreed.add(topic);
  }
}

function infoOf({ name, order, partitions, retention, incarnation }: StoredTopic): TopicInfo {
  return { name, order, partitions, retention, incarnation };
}
