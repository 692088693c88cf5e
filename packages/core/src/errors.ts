/** Every code a {@link BusError} can carry. Act on the code, never on the message. */
export const errorCodes = [
  'DUOBUS_CLOSED',
  'DUOBUS_NOT_SUPPORTED',
  'DUOBUS_NOT_FOUND',
  'DUOBUS_UNAVAILABLE',
  'DUOBUS_TIMEOUT',
  'DUOBUS_REJECTED',
  'DUOBUS_TOO_LARGE',
  'DUOBUS_DECODE',
  'DUOBUS_INVALID',
  'DUOBUS_POSITION_GONE',
  'DUOBUS_RESET',
  'DUOBUS_CONFLICT',
  'DUOBUS_TOPIC_MISMATCH',
  'DUOBUS_NOT_EMPTY',
  'DUOBUS_PERMISSION',
  'DUOBUS_BUG',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** What is known about a publish that failed: `rejected` is certainly not stored, `unknown` may be. */
export type PublishFailure = 'rejected' | 'unknown';

export interface BusErrorOptions {
  /** What led to it. Default: none. */
  readonly cause?: unknown;
  /** Whether the same call can succeed later without a change by the caller. Default false. */
  readonly retryable?: boolean;
  /** Only for errors of publish. */
  readonly outcome?: PublishFailure;
  /** What the call was about: topic, name, partition, limits. Never credentials or document content. */
  readonly context?: Readonly<Record<string, unknown>>;
}

const brand = Symbol.for('duobus.BusError');

/** The one error class of duobus. Wrong arguments are plain `TypeError`s instead. */
export class BusError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  declare readonly outcome?: PublishFailure;
  readonly context: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: BusErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BusError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    if (options.outcome !== undefined) this.outcome = options.outcome;
    this.context = options.context ?? {};
  }

  static {
    Object.defineProperty(this.prototype, brand, { value: true });
  }

  /** True for a BusError (with that code, if given), whichever copy of the package made it. */
  static is(error: unknown, code?: ErrorCode): error is BusError {
    if (typeof error !== 'object' || error === null) return false;
    if ((error as { [brand]?: unknown })[brand] !== true) return false;
    return code === undefined || (error as BusError).code === code;
  }
}
