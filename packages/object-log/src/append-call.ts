import { BusError, type Outcome } from '@duobus/core/driver';

/** One call of append. */
export interface Call {
  readonly order: number;
  readonly count: number;
  readonly encoded: Uint8Array;
  /** Where it is stored, once that is known. */
  first: number | undefined;
  /** It is to be stored by one of the next segments. */
  waiting: boolean;
  /** Nobody waits for it any more, nor will it be given again. */
  givenUp: boolean;
  /** Its outcome will never be known. */
  lost: boolean;
  /** Tells who waits for it. */
  settle: ((outcomes: readonly Outcome[]) => void) | undefined;
  /** Ends listening to the signal of who has given it. */
  unlisten: (() => void) | undefined;
}

/** `time`: of the segment before. */
export function storedOutcomes({ first = 0, count }: Call, time: number): readonly Outcome[] {
  return Array.from({ length: count }, (_, at) => ({
    status: 'stored',
    place: { offset: first + at, time },
  }));
}

export function failedOutcomes(
  { count }: Call,
  status: 'rejected' | 'unknown',
  error: BusError,
): readonly Outcome[] {
  return Array.from({ length: count }, () => ({ status, error }));
}

/** Whether what was sent is certainly not stored. */
export function isCertain(error: unknown): boolean {
  return BusError.is(error) && error.outcome === 'rejected';
}

export function behind(topic: string, cause: BusError): BusError {
  return new BusError(
    'DUOBUS_UNAVAILABLE',
    `an earlier publish to topic '${topic}' is not known to be stored, so this one was not sent; it is tried again`,
    { cause, retryable: true },
  );
}

export function abandoned(topic: string): BusError {
  return new BusError(
    'DUOBUS_UNAVAILABLE',
    `the publish to topic '${topic}' was given up before the store had confirmed it`,
    { retryable: true },
  );
}

export function unresolvable(topic: string): BusError {
  return new BusError(
    'DUOBUS_UNAVAILABLE',
    `whether this publish to topic '${topic}' was stored cannot be found out any more, as the store was away for too long: publish it again with the same id`,
  );
}

export function closed(topic: string): BusError {
  return new BusError(
    'DUOBUS_CLOSED',
    `the connection that appends to topic '${topic}' has been closed: connect again`,
  );
}

export function asBusError(error: unknown, topic: string): BusError {
  if (BusError.is(error)) return error;
  return new BusError('DUOBUS_UNAVAILABLE', `appending to topic '${topic}' was interrupted`, {
    cause: error,
    retryable: true,
  });
}
