import type { QueueCapabilities } from './capabilities.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { BatchHandler, Handler, TypeHandlers } from './delivery.ts';
import type { ConsumeOptions, Handle } from './handle.ts';
import type {
  DocumentToPublish,
  PublishOptions,
  PublishResult,
  Receipt,
} from './publish-options.ts';
import type { AnyTopic, OutOf, Topic, TypesOf } from './topic.ts';
import type { Retention } from './topic-record.ts';

/** What a subscription holds, in documents; `undefined` where the broker cannot tell. */
export interface Depth {
  readonly ready: number;
  readonly leased: number | undefined;
  readonly delayed: number;
  readonly dead: number;
  /** ready + leased + delayed: what is still to be handled. */
  readonly total: number;
}

export interface TopicInfo {
  readonly name: string;
  readonly order: 'none' | 'key';
  readonly partitions: number;
  readonly retention: Retention;
  readonly incarnation: string;
}

/** What `topics.alter` changes. */
export interface AlterOptions {
  /** As many as there are then: at least as many as now, at most 1,024. Default: as it is. */
  readonly partitions?: number;
  /** How long the data bus keeps documents. Default: as it is. */
  readonly retention?: Partial<Retention>;
}

/** Of `unsubscribe` and `data.remove`. */
export interface RemoveOptions {
  /** Removes although there are dead letters, and them too. Default false. */
  readonly discard?: boolean;
}

/** The operators' verbs for topics of one bus. */
export interface Topics {
  /** Creates the topic if need be. Publish and subscribe do it by themselves.
   *  @throws BusError DUOBUS_TOPIC_MISMATCH when a given option differs from what is stored. */
  ensure(topic: AnyTopic): Promise<TopicInfo>;
  list(): Promise<readonly TopicInfo[]>;
  /** Adds partitions or changes retention; processes that use the topic notice within 30 s. */
  alter(topic: AnyTopic, change: AlterOptions): Promise<TopicInfo>;
}

export interface SubscribeEventsOptions extends ConsumeOptions {}

/** A queue for every subscription; reading removes; no history. */
export interface EventBus {
  readonly capabilities: QueueCapabilities;
  readonly topics: Topics;
  /** Resolves when the broker has stored the document durably (design: C2).
   *  @throws BusError with `outcome` 'rejected' (certainly not stored) or 'unknown' (publish the same id again);
   *  DUOBUS_TOO_LARGE, DUOBUS_INVALID (schema, not serialisable), DUOBUS_TIMEOUT, DUOBUS_CLOSED. */
  publish<In>(
    topic: Topic<In, unknown>,
    document: NoInfer<In>,
    options?: PublishOptions,
  ): Promise<Receipt>;
  /** Publishes in order; every document has its own result. Never rejects for a single document. */
  publishMany<In>(
    topic: Topic<In, unknown>,
    documents: Iterable<NoInfer<In> | DocumentToPublish<NoInfer<In>>>,
    options?: Pick<PublishOptions, 'signal' | 'cause'>,
  ): Promise<readonly PublishResult[]>;
  /** Creates the subscription, or adds a competing consumer to it. Documents whose publish begins after it resolved
   *  are delivered at least once.
   *  @throws TypeError for invalid names and options; BusError DUOBUS_TOPIC_MISMATCH, DUOBUS_NOT_FOUND (topology
   *  'check'), DUOBUS_UNAVAILABLE, DUOBUS_CLOSED. */
  subscribe<const T extends AnyTopic | readonly AnyTopic[]>(
    topic: T,
    name: string,
    handler: Handler<OutOf<T>> | TypeHandlers<TypesOf<T>> | BatchHandler<OutOf<T>>,
    options?: SubscribeEventsOptions,
  ): Promise<Handle>;
  /** Deletes the subscription with everything it holds.
   *  @throws BusError DUOBUS_NOT_EMPTY while it has dead letters, unless `discard`. */
  unsubscribe(topic: AnyTopic, name: string, options?: RemoveOptions): Promise<void>;
  subscriptions(topic: AnyTopic): Promise<readonly string[]>;
  /** @throws BusError DUOBUS_NOT_FOUND */
  depth(topic: AnyTopic, name: string): Promise<Depth>;
  deadLetters(topic: AnyTopic, name: string): DeadLetters;
}
