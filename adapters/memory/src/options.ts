import type { Clock } from '@duobus/core/driver';

/** What a memory broker takes and keeps. */
export interface BrokerLimits {
  /** How long a document may stay with a consumer before it is handed to another, in ms. Default 43,200,000 (12 h). */
  readonly queueLeaseMs: number;
  /** How long a group's member may take to give a partition up, in ms. Default 30,000. */
  readonly groupLeaseMs: number;
  /** Largest document in bytes, body and headers together. Default 16,777,216 (16 MiB). */
  readonly maxDocumentBytes: number;
  /** What the broker holds at most, in bytes of bodies: publishing beyond is rejected. Default 1,073,741,824 (1 GiB). */
  readonly maxBytes: number;
}

export interface BrokerOptions extends Partial<BrokerLimits> {
  /** The broker's time. Default: the process's. */
  readonly clock?: Clock;
}

export interface MemoryOptions extends BrokerOptions {
  /** Buses with one name share one broker in this process. Default: a broker of its own. */
  readonly name?: string;
}

const defaults: BrokerLimits = {
  queueLeaseMs: 43_200_000,
  groupLeaseMs: 30_000,
  maxDocumentBytes: 16_777_216,
  maxBytes: 1_073_741_824,
};

const known = new Set<string>([...Object.keys(defaults), 'clock', 'name']);

/** @throws TypeError for an option that is unknown or out of range. */
export function brokerLimits(options: BrokerOptions): BrokerLimits {
  for (const name of Object.keys(options)) {
    if (!known.has(name))
      throw new TypeError(`memory: unknown option ${name}; it takes ${[...known].join(', ')}`);
  }
  const limits: Record<keyof BrokerLimits, number> = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof BrokerLimits)[]) {
    const value = options[name];
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new TypeError(`memory: ${name} must be a positive integer, got ${String(value)}`);
    }
    limits[name] = value;
  }
  return limits;
}
