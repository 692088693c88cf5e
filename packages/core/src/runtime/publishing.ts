import type { Binding } from '../binding.ts';
import { BusError } from '../errors.ts';
import { abortable } from '../internal/abort.ts';
import type { LogCapabilities, QueueCapabilities } from '../capabilities.ts';
import type { StoredTopic } from '../driver.ts';
import { checkOptions } from '../internal/check-options.ts';
import { checkCause, isDocumentToPublish } from '../internal/check-publish-options.ts';
import { checkSignal } from '../internal/check-values.ts';
import { partitionOf } from '../partition.ts';
import { formatPosition } from '../position.ts';
import { type Extra, prepare, type PrepareContext, type Prepared } from '../prepare.ts';
import { type Envelope, prepareEnvelope } from '../prepare-envelope.ts';
import type { PublishOptions, PublishResult, Receipt } from '../publish-options.ts';
import type { AnyTopic } from '../topic.ts';
import type { Context } from './context.ts';
import { currentDelivery } from './delivery-view.ts';
import { behindFailed } from './lineup.ts';
import type { Publisher } from './publisher.ts';
import { checkTopic } from './subscribing.ts';
import type { TopicCache } from './topics.ts';

interface Parts {
  readonly bus: 'event' | 'data';
  readonly context: Context;
  readonly topics: TopicCache;
  readonly publisher: Publisher;
  readonly binding: Binding;
  readonly capabilities: QueueCapabilities | LogCapabilities;
}

/** How both buses take an envelope that is finished. */
export type PublishEnvelope = (
  topic: AnyTopic,
  envelope: Envelope,
  signal?: AbortSignal,
) => Promise<Receipt>;

/** Told by telemetry when a publish begins. */
interface Span {
  end?(error?: unknown): void;
}

/** The publishing half of a bus: document in, receipt out, in the order of the calls. */
export class Publishing {
  readonly #parts: Parts;
  /** Per topic: the last publish that had to wait before it was lined up. Later ones wait behind it. */
  readonly #tails = new Map<string, Promise<unknown>>();
  /** Per topic: keys of documents that failed while they waited, for as long as others wait behind them. */
  readonly #failed = new Map<string, Map<string, BusError>>();
  #round = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  publish(topic: AnyTopic, document: unknown, options: PublishOptions = {}): Promise<Receipt> {
    return this.#publish(topic, options.signal, (span) =>
      prepare(topic, document, options, this.#prepareContext(topic, span)),
    );
  }

  /** As `publish`, of an envelope that is finished: nothing of it is changed, its source may be another's. */
  publishEnvelope(topic: AnyTopic, envelope: Envelope, signal?: AbortSignal): Promise<Receipt> {
    return this.#publish(topic, signal, (span) => {
      const { binding } = this.#parts;
      const prepared = prepareEnvelope(topic, envelope, binding);
      this.#prepareContext(topic, span).extra?.(prepared.id, prepared.type);
      return prepared;
    });
  }

  #publish(
    topic: AnyTopic,
    signal: AbortSignal | undefined,
    make: (span: Span) => Prepared | Promise<Prepared>,
  ): Promise<Receipt> {
    const { context, publisher } = this.#parts;
    const began = context.timers.now();
    let prepared: Prepared | Promise<Prepared>;
    let stored: StoredTopic | undefined;
    const span: Span = {};
    try {
      checkTopic('publish', topic);
      if (context.isClosed())
        throw new BusError('DUOBUS_CLOSED', 'publish: the bus is closed', { outcome: 'rejected' });
      signal?.throwIfAborted();
      stored = this.#parts.topics.known(topic);
      prepared = make(span);
    } catch (error) {
      span.end?.(error);
      return Promise.reject(notSent(error));
    }
    const receipt =
      stored === undefined ||
      this.#tails.has(topic.name) ||
      !publisher.hasRoom ||
      prepared instanceof Promise
        ? this.#wait(topic, prepared, began, signal)
        : this.#line(stored, prepared, began, publisher.deadline(), signal);
    if (span.end === undefined) return receipt;
    receipt.then(
      () => span.end?.(),
      (error: unknown) => span.end?.(error),
    );
    return receipt;
  }

  async publishMany(
    topic: AnyTopic,
    documents: Iterable<unknown>,
    options: Pick<PublishOptions, 'signal' | 'cause'> = {},
  ): Promise<readonly PublishResult[]> {
    checkTopic('publishMany', topic);
    checkOptions('publishMany', options, ['signal', 'cause']);
    checkSignal('publishMany', options.signal);
    checkCause('publishMany', options.cause);
    const results: Promise<PublishResult>[] = [];
    for (const entry of documents) {
      const { document, options: own } = isDocumentToPublish(entry)
        ? entry
        : { document: entry, options: undefined };
      const receipt = this.publish(topic, document, { ...options, ...own });
      results.push(
        receipt.then(
          (value) => ({ status: 'fulfilled', receipt: value }),
          (reason: unknown) => ({ status: 'rejected', reason }),
        ),
      );
      // An iterable may be longer than memory: the next document is asked for when there is room for it.
      await this.#tails.get(topic.name);
    }
    return Promise.all(results);
  }

  /** Resolves when everything published so far has its result. */
  async flushed(): Promise<void> {
    await Promise.all(this.#tails.values());
    await this.#parts.publisher.flushed();
  }

  /** Not everything is there yet: topic, room or the answer of an asynchronous schema. Order is that of the calls. */
  async #wait(
    topic: AnyTopic,
    prepared: Prepared | Promise<Prepared>,
    began: number,
    signal: AbortSignal | undefined,
  ): Promise<Receipt> {
    const { topics, publisher } = this.#parts;
    const deadline = publisher.deadline();
    const before = this.#tails.get(topic.name);
    const turn = (async (): Promise<() => Promise<Receipt>> => {
      const needed = Promise.all([
        prepared,
        this.#record(topic, deadline, signal),
        before?.catch(() => undefined), // its own caller is told
      ]);
      const [ready, stored] = await publisher.by(deadline, needed);
      this.#checkOrder(topic.name, ready.key);
      await publisher.room(deadline, signal);
      signal?.throwIfAborted();
      // Lined up within this turn, so that nothing of the same topic comes in between.
      const receipt = this.#line(
        topics.current(topic.name) ?? stored,
        ready,
        began,
        deadline,
        signal,
      );
      return () => receipt;
    })();
    const tail = turn.then(
      () => undefined,
      (error: unknown) => this.#note(topic.name, prepared, error), // its own caller is told
    );
    this.#tails.set(topic.name, tail);
    void tail.then(() => {
      if (this.#tails.get(topic.name) !== tail) return;
      this.#tails.delete(topic.name);
      this.#failed.delete(topic.name);
    });
    let lined: () => Promise<Receipt>;
    try {
      lined = await abortable(turn, signal);
    } catch (error) {
      throw notSent(error);
    }
    return lined();
  }

  /** Asked for until the deadline: the broker may be away for longer than one request waits. */
  async #record(
    topic: AnyTopic,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<StoredTopic> {
    const { topics, context } = this.#parts;
    for (;;) {
      try {
        return await topics.stored(topic, signal);
      } catch (error) {
        if (!BusError.is(error, 'DUOBUS_TIMEOUT') || context.timers.now() >= deadline) throw error;
      }
    }
  }

  /** A document that gave up waiting takes the later ones of its key with it. */
  async #note(
    topic: string,
    prepared: Prepared | Promise<Prepared>,
    error: unknown,
  ): Promise<void> {
    if (!BusError.is(error) || !error.retryable) return;
    const { key } = await prepared;
    if (key === undefined) return;
    const keys = this.#failed.get(topic) ?? new Map<string, BusError>();
    this.#failed.set(topic, keys.set(key, error));
  }

  #checkOrder(topic: string, key: string | undefined): void {
    const cause = key === undefined ? undefined : this.#failed.get(topic)?.get(key);
    if (cause !== undefined) throw behindFailed(topic, cause);
  }

  async #line(
    stored: StoredTopic,
    prepared: Prepared,
    began: number,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<Receipt> {
    const { publisher, capabilities, bus } = this.#parts;
    const { id, key, record, bytes } = prepared;
    const partition = this.#partition(stored, key);
    const outcome = await publisher.publish(stored, partition, record, bytes, deadline, signal);
    const receipt = { v: 1 as const, topic: stored.name, id, partition, time: began };
    if (bus === 'event' || outcome.place === undefined) return receipt;
    return {
      ...receipt,
      position: formatPosition(
        stored.incarnation,
        partition,
        outcome.place,
        (capabilities as LogCapabilities).placeNeedsTime,
      ),
    };
  }

  #partition(stored: StoredTopic, key: string | undefined): number {
    if (key !== undefined && stored.order === 'key') return partitionOf(key, stored.partitions);
    if (this.#parts.bus === 'event' && stored.order === 'key') {
      throw new TypeError(
        `publish to topic '${stored.name}': it is ordered by key, so every document needs one: give the topic a key function, or the option key`,
      );
    }
    if (stored.partitions === 1) return 0;
    this.#round = (this.#round + 1) % stored.partitions;
    return this.#round;
  }

  #prepareContext(
    topic: AnyTopic,
    span: Span,
  ): PrepareContext & { readonly extra?: (id: string, type: string) => Extra | undefined } {
    const { context, binding, capabilities, bus } = this.#parts;
    const { instrument, source } = context.options;
    return {
      source,
      binding,
      now: context.now,
      parent: currentDelivery.getStore(),
      limits: capabilities,
      ...(instrument?.publish === undefined
        ? {}
        : {
            extra: (id: string, type: string) => {
              const started = context.guarded(() =>
                instrument.publish?.({ bus, topic: topic.name, id, type }),
              );
              if (started?.end !== undefined)
                span.end = (error) => context.guarded(() => started.end?.(error));
              return started?.attributes;
            },
          }),
    };
  }
}

/** What fails before a document is lined up has certainly not stored it. */
function notSent(error: unknown): unknown {
  if (!BusError.is(error) || error.outcome !== undefined) return error;
  const { code, message, cause, retryable, context } = error;
  return new BusError(code, message, { cause, retryable, context, outcome: 'rejected' });
}
