import type { LogCapabilities, StoredTopic } from '@duobus/core/driver';
import type { Doorbell, ObjectStore } from './object-store.ts';
import type { TopicShelf } from './topic-shelf.ts';

/** How the log is looked after. */
export interface UpkeepOptions {
  /** How long this process uses what it knows of the end of a partition. Default 300,000 (5 min); `deleteAfterMs` must be
   *  longer by 15 min and more: see PartitionEnd. */
  readonly trustMs?: number;
  /** How long a segment has had a successor before it is deleted or put into another one. Default 1,800,000 (30 min). */
  readonly deleteAfterMs?: number;
  /** Retention and compaction are looked after so long after an append at the latest. Default 300,000 (5 min). */
  readonly everyMs?: number;
  /** ... and not more often than that. Default 2,000. */
  readonly notMoreOftenThanMs?: number;
}

/** What an ObjectLogDriver is made of. */
export interface ObjectLogOptions<Native> {
  readonly store: ObjectStore;
  readonly doorbell: Doorbell;
  /** The records of data topics. */
  readonly shelf: TopicShelf;
  /** What the keys of all objects begin with; empty, or ends with '/'. */
  readonly root: string;
  readonly native: Native;
  /** See objectLogCapabilities. Its `leaseMs` is that of groups, its `timeGranularityMs` what the store's times are rounded
   *  by, and its machines' clocks differ by, at most. */
  readonly capabilities: LogCapabilities;
  readonly connection: {
    /** As Driver.open. */
    open(signal: AbortSignal): Promise<void>;
    /** As Driver.close. */
    close(): Promise<void>;
    /** Aborted, with a BusError DUOBUS_UNAVAILABLE, when what members rely on is lost; another one after `open`. */
    ended(): AbortSignal;
  };
  /** The channel in which news of a topic are rung. Default: its name. */
  readonly channelOf?: (topic: StoredTopic) => string;
  /** How often readers look although no bell has rung, in ms. Default 20,000. */
  readonly lookEveryMs?: number;
  /** How long an append that has lost a race waits at most, in ms. Default 200. */
  readonly rivalWaitMs?: number;
  readonly upkeep?: UpkeepOptions;
}
