import { BusError, type ErrorCode } from '@duobus/core/driver';

interface Meaning {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  /** For a publish: whether the records may have been stored nevertheless. */
  readonly maybeStored?: boolean;
  readonly text: string;
}

const unavailable = (text: string): Meaning => ({
  code: 'DUOBUS_UNAVAILABLE',
  retryable: true,
  text,
});
const unsure = (text: string): Meaning => ({
  code: 'DUOBUS_UNAVAILABLE',
  retryable: true,
  maybeStored: true,
  text,
});
const permission = (text: string): Meaning => ({
  code: 'DUOBUS_PERMISSION',
  retryable: false,
  text,
});
const invalid = (text: string): Meaning => ({ code: 'DUOBUS_INVALID', retryable: false, text });
const conflict = (text: string): Meaning => ({ code: 'DUOBUS_CONFLICT', retryable: false, text });
const tooLarge = (text: string): Meaning => ({ code: 'DUOBUS_TOO_LARGE', retryable: false, text });

/** Kafka's error codes that the adapter can meet. https://kafka.apache.org/protocol#protocol_error_codes */
const meanings: Readonly<Record<number, Meaning>> = {
  [-1]: unsure('the broker failed unexpectedly; its log says more'),
  1: {
    code: 'DUOBUS_POSITION_GONE',
    retryable: false,
    text: 'the offset is not in the log: retention has passed it, or the log ends before it',
  },
  2: { code: 'DUOBUS_REJECTED', retryable: true, text: 'the batch arrived damaged' },
  3: {
    code: 'DUOBUS_NOT_FOUND',
    retryable: false,
    text: 'the broker has no such topic or partition',
  },
  5: unavailable('the partition has no leader at the moment'),
  6: unavailable('the broker no longer leads the partition'),
  7: unsure('the broker did not finish in time'),
  8: unavailable('the broker is not available'),
  9: unavailable('the replica is not available'),
  10: tooLarge(
    'the record is larger than the broker takes: raise max.message.bytes of the topic (and the maxBytes of the duobus topic)',
  ),
  12: tooLarge(
    'the pointer is larger than the broker keeps: offset.metadata.max.bytes must be 4096 or more',
  ),
  13: unsure('the network failed'),
  14: unavailable('the broker is still starting'),
  15: unavailable('the group coordinator is not available'),
  16: unavailable('the broker no longer coordinates the group'),
  17: invalid('the broker refuses the name of the topic'),
  18: tooLarge('the batch is larger than a segment of the log: raise segment.bytes of the topic'),
  19: unavailable('fewer replicas are in sync than min.insync.replicas asks for'),
  20: unsure(
    'fewer replicas were in sync than min.insync.replicas asks for when the records were already written',
  ),
  22: conflict('the group has moved on to another generation'),
  23: conflict('the group is used by consumers that are not duobus: choose another group name'),
  24: invalid('the broker refuses the id of the group'),
  25: conflict('the broker does not know this member of the group (any more)'),
  26: invalid(
    'the broker refuses the session timeout: choose sessionTimeoutMs between its group.min.session.timeout.ms and group.max.session.timeout.ms',
  ),
  27: conflict('the group is being rebalanced'),
  28: tooLarge('the pointers are larger than the broker takes'),
  29: permission('the user may not do this with the topic'),
  30: permission('the user may not do this with the group'),
  31: permission('the user may not do this with the cluster'),
  32: {
    code: 'DUOBUS_REJECTED',
    retryable: false,
    text: 'the broker refuses the time of the record',
  },
  33: permission('the broker does not offer this SASL mechanism'),
  34: unavailable('the broker expected another step of SASL'),
  35: {
    code: 'DUOBUS_NOT_SUPPORTED',
    retryable: false,
    text: 'the broker does not speak this version of the request: Kafka 3.0 or later is needed',
  },
  36: conflict('the topic exists already'),
  37: invalid('the broker refuses the number of partitions'),
  38: invalid('the broker refuses the replication factor: are there enough brokers?'),
  39: invalid('the broker refuses the placement of replicas'),
  40: invalid('the broker refuses a setting of the topic'),
  41: unavailable('the broker is not the controller'),
  42: invalid('the broker refuses the request'),
  44: permission("a policy of the broker's refuses this"),
  45: unavailable('the broker has lost track of this publisher'),
  46: unavailable('the broker has records with these sequence numbers already'),
  47: unavailable('the broker has replaced this publisher'),
  54: permission('the broker has no security switched on'),
  56: unsure('a disk of the broker failed'),
  58: permission('the broker refuses the user or password'),
  59: unavailable('the broker has forgotten this publisher'),
  68: conflict('the group has running members'),
  69: { code: 'DUOBUS_NOT_FOUND', retryable: false, text: 'the broker has no such group' },
  72: unavailable('the broker has no listener of this kind for the partition leader'),
  74: unavailable('the leader of the partition is changing'),
  75: unavailable('the leader of the partition is changing'),
  76: {
    code: 'DUOBUS_NOT_SUPPORTED',
    retryable: false,
    text: 'the broker does not support this compression',
  },
  77: unavailable('the broker is starting'),
  78: unavailable('the new leader does not know its end yet'),
  81: conflict('the group is full (group.max.size of the broker)'),
  87: {
    code: 'DUOBUS_REJECTED',
    retryable: false,
    text: 'the broker refuses the record (a compacted topic needs keys)',
  },
  88: unavailable('the offsets of the group are part of an open transaction'),
  89: unavailable('the broker throttles this client'),
  91: { code: 'DUOBUS_NOT_FOUND', retryable: false, text: 'the broker has no such resource' },
  100: { code: 'DUOBUS_NOT_FOUND', retryable: false, text: 'the broker has no such topic' },
};

const certificate =
  /^(?:CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_TLS_|ERR_SSL_|HOSTNAME_MISMATCH)/;
/** The request was not written: what kafkajs says before it has a connection. */
const neverSent =
  /Not connected|Connection timeout|Failed to connect|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|Broker not connected/;

/** An error code in an answer that the adapter decodes itself. */
export class KafkaCode extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`Kafka error code ${code}`);
    this.name = 'KafkaCode';
    this.code = code;
  }
}

/** Kafka's error code, if it is an answer of the broker. */
export function kafkaCode(error: unknown): number | undefined {
  const inner = unwrap(error) as { name?: unknown; code?: unknown; type?: unknown };
  const fromBroker = inner.name === 'KafkaCode' || typeof inner.type === 'string'; // not a DOMException, which has numbers too
  return fromBroker && typeof inner.code === 'number' ? inner.code : undefined;
}

/** Whether the connection, not the broker's answer, is what went wrong. */
export function isConnectionFailure(error: unknown): boolean {
  const inner = unwrap(error);
  return (
    kafkaCode(inner) === undefined &&
    (meaningOf(inner).code === 'DUOBUS_UNAVAILABLE' || isSasl(inner))
  );
}

/**
 * What an error of kafkajs or of the broker means.
 * @param attempt what was tried and on what, e.g. "reading topic 'orders'"
 */
export function classify(
  error: unknown,
  attempt = 'talking to Kafka',
  context: Readonly<Record<string, unknown>> = {},
): BusError {
  if (BusError.is(error)) return error;
  const inner = unwrap(error);
  if (BusError.is(inner)) return inner;
  const { code, retryable, text } = meaningOf(inner);
  return new BusError(code, `${attempt}: ${text}`, { cause: inner, retryable, context });
}

/** What became of records whose publish failed: `rejected` only where they are certainly not stored. */
export function publishFailure(
  error: unknown,
  attempt: string,
  context: Readonly<Record<string, unknown>>,
): { status: 'rejected' | 'unknown'; error: BusError } {
  const inner = unwrap(error);
  // the adapter's own errors come from before anything was sent
  if (BusError.is(inner)) return { status: 'rejected', error: inner };
  const { code, retryable, text, maybeStored } = meaningOf(inner);
  const unknown =
    maybeStored ??
    (kafkaCode(inner) === undefined &&
      code === 'DUOBUS_UNAVAILABLE' &&
      !neverSent.test((inner as Error).message));
  const status = unknown ? 'unknown' : 'rejected';
  return {
    status,
    error: new BusError(code, `${attempt}: ${text}`, {
      cause: inner,
      retryable,
      outcome: status,
      context,
    }),
  };
}

function unwrap(error: unknown): unknown {
  let inner = error;
  for (let depth = 0; depth < 5; depth += 1) {
    const { name, cause, errors } = inner as {
      name?: unknown;
      cause?: unknown;
      errors?: readonly unknown[];
    };
    if (name === 'KafkaJSAggregateError' && errors?.[0] !== undefined) inner = errors[0];
    else if (
      (name === 'KafkaJSNumberOfRetriesExceeded' || name === 'KafkaJSNonRetriableError') &&
      cause instanceof Error
    )
      inner = cause;
    else break;
  }
  return inner ?? new Error('unknown error');
}

function isSasl(error: unknown): boolean {
  return (error as Error).name === 'KafkaJSSASLAuthenticationError';
}

function meaningOf(error: unknown): Meaning {
  const { name, message, code } = error as { name?: string; message?: string; code?: unknown };
  const reason = message ?? String(error);
  const answer = kafkaCode(error);
  if (answer !== undefined)
    return (
      meanings[answer] ?? {
        code: 'DUOBUS_BUG',
        retryable: false,
        maybeStored: true,
        text: `the broker answered with an error this adapter does not know (${reason})`,
      }
    );
  if (typeof code === 'string' && certificate.test(code))
    return permission(
      `TLS with the broker failed (${reason}): check the certificate, its authority and the host name`,
    );
  switch (name ?? '') {
    case 'KafkaJSSASLAuthenticationError':
      return permission(`the broker refuses the user or password (${reason})`);
    case 'KafkaJSConnectionError':
    case 'KafkaJSConnectionClosedError':
    case 'KafkaJSRequestTimeoutError':
    case 'KafkaJSLockTimeout':
    case 'KafkaJSTimeout':
    case 'KafkaJSBrokerNotFound':
      return unavailable(`the connection failed (${reason})`);
    case 'KafkaJSServerDoesNotSupportApiKey':
      return {
        code: 'DUOBUS_NOT_SUPPORTED',
        retryable: false,
        text: `the broker is too old (${reason}): Kafka 3.0 or later is needed`,
      };
    default:
      if (reason === 'Broker not connected')
        return unavailable(`the connection failed (${reason})`);
      return {
        code: 'DUOBUS_BUG',
        retryable: false,
        maybeStored: true,
        text: `unexpected failure (${reason})`,
      };
  }
}
