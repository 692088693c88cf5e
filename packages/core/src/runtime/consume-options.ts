import type { ConsumeOptions } from '../handle.ts';
import { retryBackoff, type Backoff } from './backoff.ts';
import { checkOptions } from '../internal/check-options.ts';
import { checkInteger, checkNumber, checkSignal } from '../internal/check-values.ts';

/** Options of a subscription with their defaults, and what every part of it needs to name it. */
export interface Consume {
  readonly bus: 'event' | 'data';
  readonly name: string;
  readonly concurrency: number;
  readonly prefetch: number;
  readonly maxAttempts: number;
  readonly maxCrashes: number;
  readonly backoff: Backoff;
  readonly handlerTimeoutMs: number;
  readonly brakeAfter: number;
  readonly brakeMs: number;
  readonly graceMs: number;
  readonly maxAhead: number;
  readonly maxDelayMs: number;
}

const most = Number.MAX_SAFE_INTEGER;
const known = [
  'concurrency',
  'prefetch',
  'maxAttempts',
  'maxCrashes',
  'backoff',
  'handlerTimeoutMs',
  'brakeAfter',
  'brakeMs',
  'graceMs',
  'maxAhead',
  'signal',
];

interface Limits {
  readonly prefetch: number;
  readonly leaseMs: number;
  readonly maxDelayMs: number;
  readonly graceMs: number;
}

/** @throws TypeError for what subscribe does not take. */
export function consumeOptions(
  bus: 'event' | 'data',
  name: string,
  options: ConsumeOptions,
  more: readonly string[],
  limits: Limits,
): Consume {
  const call = `subscribe '${name}'`;
  checkOptions(call, options, [...known, ...more]);
  const backoff = options.backoff ?? {};
  checkOptions(`${call}: backoff`, backoff, ['firstMs', 'factor', 'maxMs']);
  checkInteger(call, 'concurrency', options.concurrency, 1, 10_000);
  checkInteger(call, 'prefetch', options.prefetch, 1, 60_000);
  checkInteger(call, 'maxAttempts', options.maxAttempts, 1, 30);
  checkInteger(call, 'maxCrashes', options.maxCrashes, 1, 1_000);
  checkInteger(call, 'handlerTimeoutMs', options.handlerTimeoutMs, 1, limits.leaseMs - 1);
  checkInteger(call, 'brakeAfter', options.brakeAfter, 1, most);
  checkInteger(call, 'brakeMs', options.brakeMs, 1, most);
  checkInteger(call, 'graceMs', options.graceMs, 0, most);
  checkInteger(call, 'maxAhead', options.maxAhead, 1, 1_000);
  checkInteger(call, 'backoff.firstMs', backoff.firstMs, 0, most);
  checkInteger(call, 'backoff.maxMs', backoff.maxMs, 0, most);
  checkNumber(call, 'backoff.factor', backoff.factor, 1);
  checkSignal(call, options.signal);
  return {
    bus,
    name,
    concurrency: options.concurrency ?? 16,
    prefetch: options.prefetch ?? limits.prefetch,
    maxAttempts: options.maxAttempts ?? 8,
    maxCrashes: options.maxCrashes ?? 3,
    backoff: {
      firstMs: backoff.firstMs ?? retryBackoff.firstMs,
      factor: backoff.factor ?? retryBackoff.factor,
      maxMs: backoff.maxMs ?? retryBackoff.maxMs,
    },
    handlerTimeoutMs: options.handlerTimeoutMs ?? Math.min(300_000, limits.leaseMs - 1),
    brakeAfter: options.brakeAfter ?? 20,
    brakeMs: options.brakeMs ?? 30_000,
    graceMs: options.graceMs ?? limits.graceMs,
    maxAhead: options.maxAhead ?? 1_000,
    maxDelayMs: limits.maxDelayMs,
  };
}
