import type { BusError } from './errors.ts';
import type { LogCapabilities, QueueCapabilities } from './capabilities.ts';
import type { Binding } from './binding.ts';
import type { StoredTopic, WantedTopic } from './topic-record.ts';

export type { LogCapabilities, QueueCapabilities } from './capabilities.ts';
export { binaryBinding, structuredBinding } from './binding.ts';
export type { Binding, BinaryBindingOptions, Wire } from './binding.ts';
export { BusError } from './errors.ts';
export type { ErrorCode } from './errors.ts';
export { assign } from './groups/assignment.ts';
export { Claimant, type ClaimantOptions, type ClaimEvents } from './groups/claimant.ts';
export {
  ClaimedPartitions,
  type ClaimedPartitionsOptions,
  type ClaimedPart,
} from './groups/claimed-partitions.ts';
export type { Cell, CellResult, Cells, CellWrite } from './groups/cells.ts';
export type { PartitionReader, ReaderEvents } from './groups/cells-member.ts';
export { type Groups, groupsOver, type GroupsOptions } from './groups/groups-over.ts';
export { type Reading, Readings } from './groups/readings.ts';
export { hasPointers, memberKey } from './groups/view.ts';
export { Inbox } from './inbox.ts';
export { abortable, anyOf } from './internal/abort.ts';
export { type Address, formatAddress, parseAddress } from './internal/address.ts';
export { Bell } from './internal/bell.ts';
export { Deque } from './internal/deque.ts';
export { type Farewell, farewell } from './internal/farewell.ts';
export { inParallel } from './internal/in-parallel.ts';
export { Turns } from './internal/turns.ts';
export { lostConsumer } from './member-end.ts';
export { MemberInbox, type MemberInboxOptions } from './member-inbox.ts';
export { systemClock } from './internal/clock.ts';
export type { Clock } from './internal/clock.ts';
export { OptionReader, urlLogin, urlParameters, urlPart } from './option-reader.ts';
export { Registry, sameTopic } from './registry.ts';
export type { RegistryOp } from './registry.ts';
export type { Secret, TlsOptions } from './secret.ts';
export { Secrets, type Source } from './secrets.ts';
export type { Tls } from './tls-options.ts';
export type { StoredTopic, WantedTopic } from './topic-record.ts';

/*
 * The seam between the runtime and a broker. For every method of every interface below:
 * - Only the runtime calls it. Calls may overlap unless the method says otherwise.
 * - It must not retry, keep timers per record, decode bodies or reconnect. A broken connection ends what used it.
 * - It must throw only BusErrors (see `classify` of the adapter's native-errors.ts), or the reason of its signal.
 *   Messages and context must not contain credentials.
 * - It may keep the arrays and bodies it is given until its promise settles, and must not change them. What it
 *   hands out belongs to the runtime.
 * - It may block for as long as the broker takes, and must settle soon after its signal is aborted.
 * - After `close` of what it belongs to, it must throw DUOBUS_CLOSED.
 */

/** One document on its way to the broker. `binding` has already put the attributes into headers. */
export interface OutboundRecord {
  /** The topic's key of this document; equal keys are always in one partition. */
  readonly key: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** `null` only in compacted topics: removes the key. */
  readonly body: Uint8Array | null;
}

/** One document as the broker holds it. Header values are as the client gives them: `binding` reads them. */
export interface InboundRecord {
  readonly key: string | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Uint8Array | null;
}

/** What became of one published record. `rejected` means certainly not stored. */
export type Outcome =
  | { readonly status: 'stored'; readonly place?: Place }
  | { readonly status: 'rejected' | 'unknown'; readonly error: BusError };

/** 'check' must create nothing and throw DUOBUS_NOT_FOUND that names what is missing. */
export type TopologyMode = 'create' | 'check';

export interface Driver<Native = unknown> {
  /** The broker's client, for what duobus does not cover. */
  readonly native: Native;
  /** Attributes to headers and back. */
  readonly binding: Binding;
  /** Connects, or makes sure of the connection. The runtime calls it again, one call at a time and with backoff,
   *  after any error with code DUOBUS_UNAVAILABLE; what broke must be replaced then, what works must be kept. */
  open(signal: AbortSignal): Promise<void>;
  /** Lets go of everything. Idempotent; must settle within seconds even when the broker is gone. */
  close(): Promise<void>;
  /** Returns the stored record of the topic, creating it from `wanted` if there is none (one of several racing
   *  callers creates, all return the same). Does not compare; the runtime does. Makes the topic ready for use. */
  ensureTopic(wanted: WantedTopic, mode: TopologyMode, signal: AbortSignal): Promise<StoredTopic>;
  /** Stored records: of the names given that exist, or all. Called every few seconds, so one request for all. */
  topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]>;
  /** Compare-and-set: stores `next` if `current` is still the stored record, else throws DUOBUS_CONFLICT.
   *  Partitions may only grow. Running members must hand out the new partitions within 30 s. */
  alterTopic(current: StoredTopic, next: StoredTopic, signal: AbortSignal): Promise<StoredTopic>;
  /** Names of the durable subscriptions or groups of a topic. */
  names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]>;
}

/** What a subscription holds, in documents. `undefined` where the broker cannot tell. */
export interface SubscriptionCounts {
  readonly ready: number;
  readonly leased: number | undefined;
  readonly delayed: number;
  readonly dead: number;
  readonly oldestMs: number | undefined;
  /** Members that consume it now, in all processes. */
  readonly consumers: number | undefined;
}

/** The queue half: every subscription has its own queue and reading removes. */
export interface QueueDriver<Native = unknown> extends Driver<Native> {
  readonly kind: 'queue';
  readonly capabilities: QueueCapabilities;
  /** Makes the queues of a subscription. Documents whose publish begins after it resolved must be in it.
   *  'existed' must leave what the subscription holds unchanged. */
  ensureSubscription(
    topic: StoredTopic,
    name: string,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<'created' | 'existed'>;
  /** Deletes the queues of a subscription with everything in them, dead letters too. No error if there is none. */
  removeSubscription(topic: StoredTopic, name: string, signal: AbortSignal): Promise<void>;
  /** Stores every record in every subscription of the topic, or reports per record why not. `partition` is one of the
   *  stored topic's: where order is 'none' a driver may store more than one, and any will do. Up to
   *  `capabilities.publish.calls` calls per partition overlap and must keep their order. Must resolve only when the
   *  broker has confirmed durable storage; must not throw for single records. */
  publish(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]>;
  inspect(topic: StoredTopic, name: string, signal: AbortSignal): Promise<SubscriptionCounts>;
  /** Starts one competing consumer. `main`: up to `credit` unsettled records (per partition where order is 'key').
   *  Where order is 'none', records are of partition 0, unless the driver assigns partitions there too.
   *  `dead`: the dead letters, one member at a time over all processes, everything there is; `idle` ends a pass.
   *  Throws DUOBUS_NOT_FOUND when the subscription does not exist; must not create it. */
  consume(
    topic: StoredTopic,
    name: string,
    source: 'main' | 'dead',
    credit: number,
    signal: AbortSignal,
  ): Promise<QueueMember>;
}

/** A record leased to this member until it is settled or the member ends. */
export interface Leased extends InboundRecord {
  /** Opaque to the runtime; valid for the member that handed it out. */
  readonly token: unknown;
  /** False only where an earlier hand-over of this stored record is impossible. */
  readonly redelivered: boolean;
  /** What `note`, `again`, `dead` or `back` last stored with it. */
  readonly state: string | undefined;
}

export type Settlement = {
  readonly token: unknown;
} /** Finished: must never be handed out again. */ & (
  | { readonly verdict: 'done' }
  /** Hand out again, not before `delayMs`, with `state`. From `dead`: back to its subscription's queue. A copy must be
   *  durable before the original is removed. Where order is 'key' the runtime uses it for redrive alone. */
  | { readonly verdict: 'again'; readonly delayMs: number; readonly state: string }
  /** Keep as dead letter with `state`: durable there before it is removed here. No limit, TTL or bound may apply. */
  | { readonly verdict: 'dead'; readonly state: string }
  /** Give back unhandled, at once. `state` should be stored with it if the broker cannot tell this from a crash. */
  | { readonly verdict: 'back'; readonly state: string }
);

export type QueueEvent =
  | { readonly type: 'records'; readonly partition: number; readonly records: readonly Leased[] }
  /** Always where order is 'key': this member alone owns the partition until `release`, `revoked` or its end. */
  | { readonly type: 'assigned'; readonly partition: number }
  /** The partition is wanted elsewhere: the runtime finishes what runs, settles, then calls `release`,
   *  all within so many ms from now. */
  | { readonly type: 'revoking'; readonly partition: number; readonly withinMs: number }
  | { readonly type: 'revoked'; readonly partition: number }
  /** `dead` only: everything that was there has been handed out. */
  | { readonly type: 'idle' }
  /** The member is over (connection, cancelled by the broker): the runtime opens another. */
  | { readonly type: 'lost'; readonly error: BusError }
  /** The subscription no longer exists. The member is over. */
  | { readonly type: 'gone'; readonly error: BusError };

export interface QueueMember {
  /** Everything that has happened since the last call, in order; waits while nothing has. One call at a time. */
  receive(signal: AbortSignal): Promise<readonly QueueEvent[]>;
  /** Settles in the broker. 'lost' where the lease was no longer held: the document will be handed out again.
   *  Resolves when the broker's side is durable (`again`, `dead`) or sent (`done`, `back`). Calls may overlap. */
  settle(batch: readonly Settlement[]): Promise<readonly ('settled' | 'lost')[]>;
  /** Durably attaches `state` to a leased record. 'kept': the lease goes on, whoever is handed the record next gets
   *  the state. 'moved': stored anew with the state, the lease is over, it comes back by itself and soon, ahead of
   *  what the queue holds; of such records a member leases one at a time (never where order is 'key'). 'lost': as in
   *  settle. Later notes replace earlier ones. */
  note(token: unknown, state: string): Promise<'kept' | 'moved' | 'lost'>;
  /** Gives up a partition after `revoking`: nothing of it is leased any more. */
  release(partition: number): Promise<void>;
  /** Stops intake: when it resolves, everything leased has been put into the inbox, and nothing more comes. What is
   *  leased can still be settled. */
  stop(): Promise<void>;
  /** Ends the consumer: what is unsettled goes back to the queue. Idempotent. */
  close(): Promise<void>;
}

/** A place in a partition. Offsets of records increase; gaps are allowed. `time` is the broker's append time in ms of
 *  this or an earlier record, 0 if not known. */
export interface Place {
  readonly offset: number;
  readonly time: number;
}

export interface LogRecord extends InboundRecord, Place {}

/** A group's pointer in one partition as the broker stores it. `text` is the runtime's, at most 3 KiB, opaque here. */
export interface StoredPointer {
  readonly place: Place;
  readonly text: string;
}

/** The first record still kept, and the place after the last one. Equal where the partition is empty. */
export interface Bounds {
  readonly first: Place;
  readonly end: Place;
}

export interface ReadResult {
  readonly records: readonly LogRecord[];
  /** Where to read on. */
  readonly next: Place;
  readonly atEnd: boolean;
}

/** The log half: a topic is kept, every group has its pointer and reading removes nothing. */
export interface LogDriver<Native = unknown> extends Driver<Native> {
  readonly kind: 'log';
  readonly capabilities: LogCapabilities;
  /** Appends in order, or reports per record why not; `place` where the confirm has it. Overlap, order and errors as
   *  QueueDriver.publish. Where `publish.dedup` is declared, the same array given again after an 'unknown' outcome
   *  is stored once. A compacted topic keeps at least the newest record of every key. */
  append(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]>;
  /** Records from a place on, at least one if there is one, about `maxBytes`; waits up to `maxWaitMs` at the end.
   *  Throws DUOBUS_POSITION_GONE when `from` is below the first record kept or beyond the end. */
  read(
    topic: StoredTopic,
    partition: number,
    from: Place,
    limits: { readonly maxBytes: number; readonly maxWaitMs: number },
    signal: AbortSignal,
  ): Promise<ReadResult>;
  /** One per partition, in order. */
  bounds(topic: StoredTopic, signal: AbortSignal): Promise<readonly Bounds[]>;
  /** Per partition the first record appended at `timeMs` or later, else the end; may be early by
   *  `capabilities.timeGranularityMs`, never late. */
  placesAt(topic: StoredTopic, timeMs: number, signal: AbortSignal): Promise<readonly Place[]>;
  /** Joins a group as one more consumer; never creates a topic. `as` tells consumers apart, and is the same again when
   *  one joins anew after its member was lost: what is still its own may be given to it at once. */
  join(topic: StoredTopic, group: string, as: string, signal: AbortSignal): Promise<LogMember>;
  /** The stored pointers by partition, `undefined` where there is none. Works for running and stopped groups. */
  pointers(
    topic: StoredTopic,
    group: string,
    signal: AbortSignal,
  ): Promise<readonly (StoredPointer | undefined)[]>;
  /** Changes pointers while nobody owns them, from any process: owners get `revoking` with cause 'reset', then
   *  `change` is called per partition with what is stored (`undefined` answer = leave), one call at a time, and for a
   *  partition again if it was owned meanwhile; all answers are written at once, owners are assigned again. No commit
   *  under an earlier token may land after it. Calls for a group are serialised; a silent owner is waited for until its
   *  lease ends, or evicted after `graceMs`. Resolves when written. */
  edit(
    topic: StoredTopic,
    group: string,
    change: PointerChange,
    graceMs: number,
    signal: AbortSignal,
  ): Promise<EditResult>;
  /** Deletes the pointers of a group; DUOBUS_CONFLICT while it has members. No error if there is none. */
  removeGroup(topic: StoredTopic, group: string, signal: AbortSignal): Promise<void>;
}

/** What the pointer of a partition is to be, given what it is while nobody owns the partition. */
export type PointerChange = (
  partition: number,
  stored: StoredPointer | undefined,
) => StoredPointer | undefined | Promise<StoredPointer | undefined>;

export interface EditResult {
  /** Another edit was already waiting when this one was written: it will replace it. */
  readonly superseded: boolean;
}

export type LogEvent =
  /** This member alone owns the partition under `token` (never reused in this member). Nothing is read before `start`. */
  | {
      readonly type: 'assigned';
      readonly partition: number;
      readonly token: number;
      readonly pointer: StoredPointer | undefined;
    }
  | {
      readonly type: 'records';
      readonly partition: number;
      readonly token: number;
      readonly records: readonly LogRecord[];
    }
  /** To be given up: the runtime stops handing out, finishes or aborts what runs, commits (rebalance) and
   *  releases, all within so many ms from now. */
  | {
      readonly type: 'revoking';
      readonly partition: number;
      readonly token: number;
      readonly cause: 'rebalance' | 'reset';
      readonly withinMs: number;
    }
  /** No longer owned: later commits are 'fenced'. */
  | { readonly type: 'revoked'; readonly partition: number; readonly token: number }
  /** Retention has passed the reader (or the log now ends below it): reading stands until `start` is called again. */
  | {
      readonly type: 'trimmed';
      readonly partition: number;
      readonly token: number;
      readonly bounds: Bounds;
    }
  /** The member is over: the runtime joins again. */
  | { readonly type: 'lost'; readonly error: BusError }
  /** The topic no longer exists, or the group is used by something that is not duobus. The member is over. */
  | { readonly type: 'gone'; readonly error: BusError };

export interface PointerWrite {
  readonly partition: number;
  readonly token: number;
  readonly pointer: StoredPointer;
}

export interface LogMember {
  /** As QueueMember.receive. */
  receive(signal: AbortSignal): Promise<readonly LogEvent[]>;
  /** Begins or moves reading; records of before the call may still arrive only if they are at or after `place`. */
  start(partition: number, token: number, place: Place): void;
  /** Closed: hand out no more of this partition than is already on its way (one fetch). Open at `start`. */
  flow(partition: number, token: number, open: boolean): void;
  /** Writes pointers in one request. 'fenced' where the token no longer owns the partition: nothing was written.
   *  Rejects when it is not known whether they were. One call at a time. */
  commit(writes: readonly PointerWrite[]): Promise<readonly ('ok' | 'fenced')[]>;
  /** Answers `revoking`, or gives a partition up unasked. */
  release(partition: number, token: number): Promise<void>;
  /** Leaves the group, so that others take over at once. Idempotent. */
  close(): Promise<void>;
}
