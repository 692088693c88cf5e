import type { Delivery } from '@duobus/core';

/** What the fault runs publish. */
export interface FaultDocument {
  readonly key: string;
  /** Counts per key, from 0. */
  readonly seq: number;
  /** Kills the process that handles it. */
  readonly poison?: boolean;
}

/** One run of a handler as a process has logged it. Times are ms of the machine's monotonic clock. */
export interface Sighting {
  readonly process: string;
  readonly id: string;
  readonly key: string;
  readonly seq: number;
  readonly partition: number;
  readonly position: string | undefined;
  readonly epoch: number;
  readonly attempt: number;
  readonly cause: string;
  readonly redelivered: boolean;
  readonly beganMs: number;
  /** Undefined where the process died in mid-handling. */
  endedMs: number | undefined;
}

/** What became of one process. */
export interface Life {
  readonly process: string;
  /** When it was told to end; undefined while it lives. */
  endMs: number | undefined;
  how: 'killed' | 'left' | undefined;
}

/** What became of one publish. */
export interface Published {
  readonly id: string;
  readonly key: string;
  readonly seq: number;
  status: 'pending' | 'stored' | 'rejected' | 'unknown';
}

/** The same clock in every process of this machine. */
export function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

export function sightingOf(document: FaultDocument, delivery: Delivery, process: string): Sighting {
  const { id, partition, position, epoch, attempt, cause, redelivered } = delivery;
  const { key, seq } = document;
  return {
    process,
    id,
    key,
    seq,
    partition,
    position,
    epoch,
    attempt,
    cause,
    redelivered,
    beganMs: nowMs(),
    endedMs: undefined,
  };
}
