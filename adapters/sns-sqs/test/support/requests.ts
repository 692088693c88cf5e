import type { Seen } from './proxy.ts';

/** Requests by what AWS asks for them. */
export interface Requests {
  readonly sns: number;
  readonly snsFifo: number;
  readonly sqs: number;
  readonly sqsFifo: number;
  /** PUT and LIST. */
  readonly s3Put: number;
  /** GET and HEAD. */
  readonly s3Get: number;
  readonly s3Delete: number;
}

export function countRequests(seen: readonly Seen[]): Requests {
  const count = { sns: 0, snsFifo: 0, sqs: 0, sqsFifo: 0, s3Put: 0, s3Get: 0, s3Delete: 0 };
  for (const each of seen) count[kindOf(each)] += 1;
  return count;
}

function kindOf({ service, call, body }: Seen): keyof Requests {
  if (service !== 's3') return body.includes('.fifo') ? `${service}Fifo` : service;
  if (call === 'DeleteObject') return 's3Delete';
  return call === 'GetObject' || call === 'HeadBucket' ? 's3Get' : 's3Put';
}

/** As many times as many, in whole requests. */
export function times(requests: Requests, factor: number): Requests {
  return mapped(requests, (_, count) => Math.round(count * factor));
}

export function sum(some: Requests, others: Requests): Requests {
  return mapped(some, (kind, count) => count + others[kind]);
}

function mapped(
  requests: Requests,
  map: (kind: keyof Requests, count: number) => number,
): Requests {
  const kinds = Object.keys(requests) as (keyof Requests)[];
  const entries = kinds.map((kind) => [kind, map(kind, requests[kind])]);
  return Object.fromEntries(entries) as unknown as Requests;
}
