import type { Bus, BusOptions } from '@duobus/core';
import type { Clock } from '@duobus/core/driver';
import { source } from './document.ts';

/** How child processes reach the broker: what `connect` takes. */
export interface ProcessesHarness {
  readonly url: string;
  readonly options?: Readonly<Record<string, unknown>>;
  /** Module that exports `createAdapter`, imported in the child from the current folder, for schemes core does not know. */
  readonly adapter?: string;
}

/** What the suite needs to know of an adapter and its broker. */
export interface Harness {
  readonly name: string;
  /** Of the broker, its client, the adapter: for the report. */
  readonly versions?: Readonly<Record<string, string>>;
  /** A bus with connections of its own. */
  connect(options: BusOptions): Promise<Bus>;
  /** Where the broker can be reached from other processes, consumers run in child processes and die by SIGKILL. */
  readonly processes?: ProcessesHarness;
  /** Without `processes`: ends a bus as the death of its process would: nothing is settled or written any more. */
  crash?(bus: Bus): Promise<void>;
  /** What can be done to the broker. While it is done, no other case runs. */
  readonly faults?: {
    /** Ends it in an orderly way and starts it again. */
    restart?(): Promise<void>;
    /** Kills it and starts it again. */
    kill9?(): Promise<void>;
  };
  /** Documents that the broker itself holds for an event topic, by its own tools. */
  brokerDepth?(topic: string): Promise<number>;
  /** Drops what a data topic has kept so far, as retention would. */
  trim?(topic: string): Promise<void>;
  /** Time as the buses and the broker see it, where it is not the process's. */
  readonly clock?: Clock;
  /** Multiplies every time limit. Default 1. */
  readonly slow?: number;
}

/** With a time limit for publishes that is stretched like all others, but not shortened: it decides nothing. */
export function busOptions({ slow = 1 }: Harness): BusOptions {
  return slow > 1 ? { source, publishTimeoutMs: 30_000 * slow } : { source };
}
