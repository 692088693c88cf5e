import { type Clock, OptionReader, systemClock, urlParameters } from '@duobus/core/driver';

/** What a memory broker takes and keeps. */
export interface BrokerOptions {
  /** How long a document may stay with a consumer before it is handed to another, in ms. Default 43,200,000 (12 h). */
  readonly queueLeaseMs?: number;
  /** How long a group's member may take to give a partition up, in ms. Default 30,000. */
  readonly groupLeaseMs?: number;
  /** Largest document in bytes, body and headers together. Default 16,777,216 (16 MiB). */
  readonly maxDocumentBytes?: number;
  /** What the broker holds at most, in bytes of bodies: publishing beyond is rejected. Default 1,073,741,824 (1 GiB). */
  readonly maxBytes?: number;
  /** The broker's time. Default: the process's. */
  readonly clock?: Clock;
}

/** Options with every default filled in. */
export type BrokerLimits = Required<Omit<BrokerOptions, 'clock'>>;

export interface MemoryOptions extends BrokerOptions {
  /** Buses with one name share one broker in this process. Default: a broker of its own; in a URL without a name
   *  'default'. */
  readonly name?: string;
}

const defaults: BrokerLimits = {
  queueLeaseMs: 43_200_000,
  groupLeaseMs: 30_000,
  maxDocumentBytes: 16_777_216,
  maxBytes: 1_073_741_824,
};

const known = [
  'queueLeaseMs',
  'groupLeaseMs',
  'maxDocumentBytes',
  'maxBytes',
  'clock',
] as const satisfies readonly (keyof BrokerOptions)[];

/** @throws TypeError for an option that is unknown or out of range. */
export function brokerLimits(options: BrokerOptions): BrokerLimits {
  const reader = new OptionReader('memory', options, known);
  const { now, after } = (options.clock ?? systemClock) as Partial<Clock>;
  if (typeof now !== 'function' || typeof after !== 'function')
    throw reader.wrong('clock must be an object with now() and after()');
  const limit = (name: keyof BrokerLimits): number =>
    reader.integer(name, defaults[name], 1, Number.MAX_SAFE_INTEGER);
  return {
    queueLeaseMs: limit('queueLeaseMs'),
    groupLeaseMs: limit('groupLeaseMs'),
    maxDocumentBytes: limit('maxDocumentBytes'),
    maxBytes: limit('maxBytes'),
  };
}

/** The name apart from what the broker takes. @throws TypeError for an option that is unknown */
export function nameOf(options: MemoryOptions): {
  readonly name: string | undefined;
  readonly rest: BrokerOptions;
} {
  const reader = new OptionReader<keyof MemoryOptions>('memory', options, [...known, 'name']);
  const { name: _, ...rest } = options;
  return { name: reader.text('name', undefined), rest };
}

/** From `memory:` or `memory://name`. */
export function nameOfUrl(url: string): string {
  const match = /^memory:(?:\/\/)?([^/?#]*)\/?(?:\?([^#]*))?$/i.exec(url);
  if (match === null) throw new TypeError('memory: a URL must look like memory: or memory://name');
  urlParameters('memory', match[2] ?? '', [], known);
  return match[1] === undefined || match[1] === '' ? 'default' : match[1];
}
