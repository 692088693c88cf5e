import { BusError } from './errors.ts';
import { abortable, anyOf } from './internal/abort.ts';
import { systemClock } from './internal/clock.ts';
import type { Secret } from './secret.ts';

/** An option of an adapter that may be known only when it connects. */
export interface Source<T> {
  /** Whether it may be another one at the next attempt. */
  readonly asks: boolean;
  /** @throws BusError that names the option and never holds what the function said */
  read(): Promise<T>;
}

type Sources = Readonly<Record<string, Source<unknown> | undefined>>;

type Read<S extends Sources> = {
  readonly [Name in keyof S]: S[Name] extends Source<infer T> | undefined
    ? T | (undefined extends S[Name] ? undefined : never)
    : never;
};

/** @param what for messages: the adapter and the option
 *  @param form what its value must be, for messages */
export function sourceOf<T>(
  what: string,
  given: Secret<T>,
  isSound: (value: unknown) => value is T,
  form: string,
): Source<T> {
  if (typeof given !== 'function') return { asks: false, read: () => Promise.resolve(given) };
  return {
    asks: true,
    async read() {
      let value: unknown;
      try {
        value = await (given as () => unknown)();
      } catch (error) {
        throw new BusError(
          'DUOBUS_UNAVAILABLE',
          // neither its message nor itself as the cause: it may hold what the function has read
          `${what}: the function that was given for it has thrown${kindOf(error)}; it is asked again at the next attempt`,
          { retryable: true },
        );
      }
      if (isSound(value)) return value;
      throw new BusError(
        'DUOBUS_INVALID',
        `${what}: the function that was given for it must return ${form}, and returned ${shapeOf(value)}`,
      );
    },
  };
}

/**
 * What an adapter needs to know anew whenever it connects: the login, the keys. Attempts that begin while the functions
 * are being asked share the answers.
 */
export class Secrets<S extends Sources> {
  readonly #what: string;
  readonly #sources: S;
  readonly #timeoutMs: number;
  #asking: Promise<Read<S>> | undefined;
  #accepted = false;

  /** @param what the adapter, for messages
   *  @param timeoutMs how long the functions may take for one attempt */
  constructor(what: string, sources: S, timeoutMs: number) {
    this.#what = what;
    this.#sources = sources;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether there is a function among them. */
  get asks(): boolean {
    return Object.values(this.#sources).some((source) => source?.asks);
  }

  /** Makes one attempt to connect. Where functions are asked, what the broker has accepted once it may accept again with
   *  another answer: a refusal is retryable from then on, so that a rotation under way ends nothing for good. The signal
   *  ends the waiting for the functions; then `connect` is not called. */
  async use<T>(connect: (secrets: Read<S>) => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      const made = await connect(await this.#read(signal));
      this.#accepted = true;
      return made;
    } catch (error) {
      throw this.asks && this.#accepted ? retryable(error) : error;
    }
  }

  async #read(signal: AbortSignal | undefined): Promise<Read<S>> {
    const asking = (this.#asking ??= this.#ask());
    const late = new AbortController();
    const cancel = systemClock.after(this.#timeoutMs, () => late.abort(this.#late()));
    try {
      return await abortable(asking, anyOf(late.signal, signal));
    } finally {
      cancel();
      // what has not answered in time is not waited for by the next attempt
      if (this.#asking === asking) this.#asking = undefined;
    }
  }

  async #ask(): Promise<Read<S>> {
    const entries = Object.entries(this.#sources);
    const values = await Promise.all(
      entries.map(async ([name, source]) => [name, await source?.read()] as const),
    );
    return Object.fromEntries(values) as Read<S>;
  }

  #late(): BusError {
    const names = Object.keys(this.#sources).filter((name) => this.#sources[name]?.asks);
    return new BusError(
      'DUOBUS_UNAVAILABLE',
      `${this.#what}: the functions that were given for ${names.join(', ')} have not all answered within ${this.#timeoutMs} ms; they are asked again at the next attempt`,
      { retryable: true },
    );
  }
}

function retryable(error: unknown): unknown {
  if (!BusError.is(error) || error.retryable) return error;
  if (error.code !== 'DUOBUS_PERMISSION' && error.code !== 'DUOBUS_INVALID') return error;
  const { code, message, cause, context } = error;
  return new BusError(code, `${message}; the functions given for its secrets are asked again`, {
    cause,
    context,
    retryable: true,
  });
}

/** Enough to find it by: what an error says of its kind is not secret. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const { name, code } = error as Error & { readonly code?: unknown };
  const kind = [name, code].filter((word) => typeof word === 'string' && /^\w{1,80}$/.test(word));
  return kind.length === 0 ? '' : ` (${kind.join(' ')})`;
}

function shapeOf(value: unknown): string {
  if (value === null) return 'null';
  if (value === '') return 'an empty string';
  return typeof value === 'object'
    ? 'an object'
    : typeof value === 'undefined'
      ? 'undefined'
      : `a ${typeof value}`;
}
