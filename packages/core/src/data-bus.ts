import type { LogCapabilities } from './capabilities.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { BatchHandler, Handler, TypeHandlers } from './delivery.ts';
import type { Attributes } from './envelope.ts';
import type { RemoveOptions, Topics } from './event-bus.ts';
import type { ConsumeOptions, Handle } from './handle.ts';
import type {
  DocumentToPublish,
  PublishOptions,
  PublishResult,
  Receipt,
} from './publish-options.ts';
import type { AnyTopic, OutOf, Topic, TypesOf } from './topic.ts';

/** Position of every partition, by partition number. */
export type Positions = Readonly<Record<number, string>>;

/** Where a new group begins, or a reset goes. Times are the broker's append times: ms since 1970, Date or ISO 8601. */
export type From =
  | 'earliest'
  | 'latest'
  | { readonly time: number | string | Date }
  | { readonly positions: Positions };

export interface SubscribeDataOptions extends ConsumeOptions {
  /** Where a group without a pointer begins. Default 'earliest'. */
  readonly from?: From;
  /** What to do when retention has passed the pointer. Default 'fail': the handle's state is `lost`. */
  readonly onLost?: 'fail' | 'earliest' | 'latest';
  /** What to do with a document that exhausts its attempts. Default 'dead': dead letter and go on. */
  readonly onPoison?: 'dead' | 'halt';
  /** Time between two writes of the pointer, in ms. Default 1,000. */
  readonly commitIntervalMs?: number;
}

export interface ResetOptions {
  /** Tells what would move, and moves nothing. */
  readonly dryRun?: boolean;
  /** How long running handlers get, in ms. Default 25,000. */
  readonly graceMs?: number;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

export interface ResetMove {
  readonly partition: number;
  readonly from: string | undefined;
  readonly to: string;
  /** Records between the two: negative when moved forward. An estimate where offsets are not dense. */
  readonly count: number;
}

export interface ResetResult {
  readonly moves: readonly ResetMove[];
  /** A later reset was already waiting and has replaced this one. */
  readonly superseded: boolean;
}

export interface PartitionLag {
  readonly partition: number;
  readonly records: number;
  /** Now less append time of the first unhandled record; 0 when there is none. */
  readonly ms: number;
}

export interface Lag {
  readonly records: number;
  /** The largest of the partitions. */
  readonly ms: number;
  readonly partitions: readonly PartitionLag[];
}

export interface WaitOptions {
  /** How long to wait, in ms. Default 30,000. */
  readonly timeoutMs?: number;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

export interface ReadOptions {
  /** Default 'earliest'. */
  readonly from?: From;
  /** Read up to, not including. Default: the end as it is when reading starts. */
  readonly to?:
    | 'latest'
    | { readonly time: number | string | Date }
    | { readonly positions: Positions };
  /** Default: all, one after the other. */
  readonly partition?: number;
  /** Documents at most. Default: no limit. */
  readonly limit?: number;
  /** Ends reading. */
  readonly signal?: AbortSignal;
}

/** A document of the history, or what could not be decoded. */
export type HistoryEntry<Out> = {
  readonly position: string;
  readonly partition: number;
  readonly appendedAt: number;
} & (
  | {
      readonly document: Out;
      readonly attributes: Attributes;
      readonly key: string | undefined;
      readonly error?: undefined;
    }
  | {
      readonly error: Error;
      readonly bytes: Uint8Array;
      readonly document?: undefined;
      readonly attributes?: undefined;
      readonly key?: undefined;
    }
);

/** A retained log; every group has its own pointer; reading moves the pointer and removes nothing. */
export interface DataBus {
  readonly capabilities: LogCapabilities;
  readonly topics: Topics;
  /** As on the event bus. */
  publish<In>(
    topic: Topic<In, unknown>,
    document: NoInfer<In>,
    options?: PublishOptions,
  ): Promise<Receipt>;
  publishMany<In>(
    topic: Topic<In, unknown>,
    documents: Iterable<NoInfer<In> | DocumentToPublish<NoInfer<In>>>,
    options?: Pick<PublishOptions, 'signal' | 'cause'>,
  ): Promise<readonly PublishResult[]>;
  /** Joins a group, creating it if need be: then `from` is written as its pointer before this resolves. */
  subscribe<const T extends AnyTopic | readonly AnyTopic[]>(
    topic: T,
    group: string,
    handler: Handler<OutOf<T>> | TypeHandlers<TypesOf<T>> | BatchHandler<OutOf<T>>,
    options?: SubscribeDataOptions,
  ): Promise<Handle>;
  /** Moves a group's pointers, running or not, from any process (design: D5). When it resolves, the next delivery in
   *  every moved partition is the first record at or after its target.
   *  @throws BusError DUOBUS_POSITION_GONE, DUOBUS_INVALID (position of another topic or unreadable), DUOBUS_NOT_FOUND;
   *  nothing has moved then. */
  reset(topic: AnyTopic, group: string, to: From, options?: ResetOptions): Promise<ResetResult>;
  lag(topic: AnyTopic, group: string): Promise<Lag>;
  /** The stored pointers: what `reset({ positions })` takes. */
  pointers(topic: AnyTopic, group: string): Promise<Positions>;
  /** Resolves when the group has finished with the document: 'dead' if it became a dead letter.
   *  @throws BusError DUOBUS_TIMEOUT, DUOBUS_RESET when the group was reset meanwhile, DUOBUS_POSITION_GONE. */
  waitFor(
    topic: AnyTopic,
    group: string,
    receipt: Receipt,
    options?: WaitOptions,
  ): Promise<{ readonly outcome: 'done' | 'dead' }>;
  /** Iterates over history without a group; moves no pointer. */
  read<Out>(topic: Topic<never, Out>, options?: ReadOptions): AsyncIterable<HistoryEntry<Out>>;
  groups(topic: AnyTopic): Promise<readonly string[]>;
  /** Deletes a group's pointers and dead letters.
   *  @throws BusError DUOBUS_NOT_EMPTY while it has dead letters, unless `discard`; DUOBUS_CONFLICT while it runs. */
  remove(topic: AnyTopic, group: string, options?: RemoveOptions): Promise<void>;
  deadLetters(topic: AnyTopic, group: string): DeadLetters;
}
