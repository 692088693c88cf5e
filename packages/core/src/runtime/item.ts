import type { DeadReason } from '../dead-letters.ts';
import type { Cause } from '../delivery.ts';
import type { InboundRecord, StoredTopic } from '../driver.ts';
import type { Attributes } from '../envelope.ts';
import { Deque } from '../internal/deque.ts';
import type { DecodeFailure, Envelope } from '../decode.ts';

/** What all records of one member (queue) or one assignment (log) share: once it has ended, nothing of it counts. */
export interface Lease {
  alive: boolean;
  readonly epoch: number;
}

/** A document between the broker and its settlement. */
export interface Item {
  readonly part: Part;
  readonly lease: Lease;
  readonly record: InboundRecord;
  /** Undefined where the record is no CloudEvent. */
  readonly attributes: Attributes | undefined;
  /** The document as bytes: it is decoded when it is handed out. */
  readonly data: Uint8Array;
  /** Why it is none. */
  readonly broken: DecodeFailure | undefined;
  /** Undefined: no order to keep. */
  readonly lane: string | undefined;
  readonly redelivered: boolean;
  readonly arrivedAt: number;
  /** The driver's token (queue) or what tracks the offset (log). */
  readonly handle: unknown;
  /** The source's own: under which assignment it was taken, if it was taken from a partition. */
  readonly owner?: unknown;
  readonly position: string | undefined;
  readonly appendedAt: number | undefined;
  /** How often it has been redriven. */
  readonly redrives: number;
  cause: Cause;
  failed: number;
  crashes: number;
  /** A process may have died of it: to be handled alone, its try written first. */
  suspect: boolean;
  /** Its try has been written. */
  probing: boolean;
  phase: 'waiting' | 'running' | 'held' | 'over';
  /** Counts runs: the result of an earlier one is late. */
  run: number;
  startedAt: number;
  /** Aborts `delivery.signal`; made when somebody asks for the signal. */
  abort: AbortController | undefined;
  /** Why its result does not count. */
  aborted: Error | undefined;
  /** The batch it is handled in. */
  batch: Batch | undefined;
  /** Held for a retry: stops its timer. */
  cancelRetry: (() => void) | undefined;
}

/** One call of a batch handler. */
export interface Batch {
  readonly part: Part;
  readonly items: readonly Item[];
  /** It has returned, or what it returns does not count any more. */
  over: boolean;
}

/** What a source knows of a document when it comes. */
export interface NewItem {
  readonly part: Part;
  readonly lease: Lease;
  readonly record: InboundRecord;
  readonly envelope: Envelope | undefined;
  readonly broken: DecodeFailure | undefined;
  readonly lane: string | undefined;
  readonly redelivered: boolean;
  readonly now: number;
  readonly handle: unknown;
  readonly owner?: unknown;
  readonly position?: string;
  readonly appendedAt?: number;
  readonly cause: Cause;
  readonly failed: number;
  readonly crashes: number;
  readonly redrives?: number;
  readonly suspect: boolean;
  readonly probing?: boolean;
}

export function newItem(of: NewItem): Item {
  return {
    part: of.part,
    lease: of.lease,
    record: of.record,
    attributes: of.envelope?.attributes,
    data: of.envelope?.data ?? of.record.body ?? nothing,
    broken: of.broken,
    lane: of.lane,
    redelivered: of.redelivered,
    arrivedAt: of.now,
    handle: of.handle,
    owner: of.owner,
    position: of.position,
    appendedAt: of.appendedAt,
    cause: of.cause,
    failed: of.failed,
    crashes: of.crashes,
    redrives: of.redrives ?? 0,
    suspect: of.suspect,
    probing: of.probing ?? false,
    phase: 'waiting',
    run: 0,
    startedAt: 0,
    abort: undefined,
    aborted: undefined,
    batch: undefined,
    cancelRetry: undefined,
  };
}

const nothing = new Uint8Array();

/** Where items come from and what settles them: a queue subscription or a log group, on one topic. */
export interface Source {
  readonly topic: StoredTopic;
  /** One after the other in a partition: by key, or in batches. */
  readonly ordered: boolean;
  /** Failing documents stay in process, and hold their lane. */
  readonly holds: boolean;
  /** The document is handled. */
  done(item: Item): void;
  /** A failed run is to be repeated: resolves when that is written, to false when the lease is gone. Never rejects. */
  retry(item: Item, delayMs: number): Promise<boolean>;
  /** Resolves to true when it is kept as dead letter and settled, to false when the lease is gone. Never rejects. */
  dead(item: Item, reason: DeadReason, message: string): Promise<boolean>;
  /** A suspect whose try is written comes back by itself, to be handled then: many can be written at a time. */
  readonly movesSuspects?: boolean;
  /** Writes that a suspect is about to be handled alone. Never rejects. */
  probe(item: Item): Promise<'kept' | 'moved' | 'lost'>;
  /** Resolves when what has been decided about a document is written, or its lease is gone. Never rejects. */
  written(item: Item): Promise<void>;
  /** The number of waiting documents of the partition has changed. */
  level(part: Part): void;
  /** D10: true stops the partition at this document instead of making it a dead letter. */
  halts(item: Item, message: string): boolean;
  /** It has been handed out and is neither finished nor failed: it is handed out again. */
  shown(item: Item): void;
  /** The result of the running document came too late, or was not to count: it is left as it is. */
  dropped(item: Item): void;
}

/** One partition of one source in the dispatcher. */
export interface Part {
  readonly source: Source;
  readonly partition: number;
  readonly lanes: Map<string, Lane>;
  /** Held documents without a lane. */
  readonly loose: Set<Item>;
  /** Batch handlers: what is free to run. */
  readonly fifo: Deque<Item>;
  /** Free to run, put aside while the partition is stopped. */
  readonly stash: Item[];
  /** Taken from the broker, neither running nor over. */
  waiting: number;
  /** Of these, free to run. */
  ready: number;
  /** Of these, failed: waiting for a retry or for what is being written about them. */
  held: number;
  /** Too many wait behind failing ones. */
  stalled: boolean;
  /** Batches running. */
  busy: number;
  /** Hands out nothing. */
  stopped: boolean;
  /** Stopped at this document by policy. */
  readonly halted: Set<Item>;
}

export interface Lane {
  readonly waiting: Deque<Item>;
  /** What everything else of the lane waits for. */
  head: Item;
}

export function newPart(source: Source, partition: number): Part {
  return {
    source,
    partition,
    lanes: new Map(),
    loose: new Set(),
    fifo: new Deque(),
    stash: [],
    waiting: 0,
    ready: 0,
    held: 0,
    stalled: false,
    busy: 0,
    stopped: false,
    halted: new Set(),
  };
}

/** Held, or waiting for another document of their lane. */
export function blockedIn(part: Part): number {
  return part.waiting - part.ready;
}
