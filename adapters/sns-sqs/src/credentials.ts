import { BusError, type OptionReader, Secrets, type Source } from '@duobus/core/driver';
import { refusesCredentials } from './native-errors.ts';
import type { AwsCredentials, SnsSqsOptions } from './options.ts';

export type CredentialSecrets = Secrets<{ readonly credentials: Source<AwsCredentials> }>;

/** @throws TypeError that repeats nothing of what is given */
export function credentialsOf(
  reader: OptionReader<keyof SnsSqsOptions>,
  timeoutMs: number,
): AwsCredentials | CredentialSecrets | undefined {
  const value = reader.value('credentials');
  const given = typeof value === 'function' ? undefined : reader.nested('credentials', names);
  const source = reader.secretOf('credentials', isCredentials, form);
  if (source === undefined) return undefined;
  if (source.asks) return new Secrets('sns-sqs', { credentials: source }, timeoutMs);
  if (given?.value('expiration') !== undefined)
    throw reader.wrong('credentials that end must come from a function, which is asked again');
  return value as AwsCredentials;
}

const names: readonly (keyof AwsCredentials)[] = [
  'accessKeyId',
  'secretAccessKey',
  'sessionToken',
  'expiration',
];

const form =
  'an object with accessKeyId and secretAccessKey, strings that are not empty, and where they are temporary sessionToken, and expiration, a Date';

function isCredentials(value: unknown): value is AwsCredentials {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = (value ??
    {}) as Partial<AwsCredentials>;
  return (
    isText(accessKeyId) &&
    isText(secretAccessKey) &&
    (sessionToken === undefined || isText(sessionToken)) &&
    (expiration === undefined ||
      (expiration instanceof Date && !Number.isNaN(expiration.getTime())))
  );
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';

/** So long before they end they are asked for anew, as the SDK does it; what is given for less than twice as long, at half
 *  of its time. */
const beforehandMs = 300_000;

interface Stack {
  add(middleware: unknown, options: { readonly step: 'initialize'; readonly name: string }): void;
}

type Next = (args: unknown) => Promise<unknown>;

/** Credentials from a function, for all clients of one half of a bus. */
export class AskedCredentials {
  readonly #secrets: CredentialSecrets;
  readonly #ended: AbortSignal;
  #current: Promise<AwsCredentials> | undefined;
  #askAt = Infinity;
  #accepted = false;
  /** For the SDK, which asks before every request. */
  readonly provider: () => Promise<AwsCredentials>;

  /** @param ended nothing is asked for any more */
  constructor(secrets: CredentialSecrets, ended: AbortSignal) {
    this.#secrets = secrets;
    this.#ended = ended;
    // else the SDK would keep for ever what says nothing about its end
    this.provider = Object.assign(() => this.#get(), { memoized: true });
  }

  /** Requests that are refused for their credentials are signed anew, once, with what the function says then. */
  attend(stack: object): void {
    (stack as Stack).add((next: Next) => (args: unknown) => this.#send(next, args), {
      step: 'initialize',
      name: 'duobusCredentials',
    });
  }

  async #send(next: Next, args: unknown): Promise<unknown> {
    const used = this.#current;
    try {
      return await this.#try(next, args);
    } catch (error) {
      if (!refusesCredentials(error)) throw error;
      // another request may have found out meanwhile
      if (used === undefined || this.#current === used) this.#current = undefined;
    }
    try {
      return await this.#try(next, args);
    } catch (error) {
      if (!refusesCredentials(error) || !this.#accepted) throw error;
      this.#current = undefined;
      throw new BusError(
        'DUOBUS_PERMISSION',
        `AWS refuses the credentials (${(error as Error).name}); the function given for them is asked again`,
        { cause: error, retryable: true, outcome: 'rejected' },
      );
    }
  }

  async #try(next: Next, args: unknown): Promise<unknown> {
    const result = await next(args);
    this.#accepted = true;
    return result;
  }

  #get(): Promise<AwsCredentials> {
    if (Date.now() > this.#askAt) this.#current = undefined;
    this.#current ??= this.#ask();
    return this.#current;
  }

  async #ask(): Promise<AwsCredentials> {
    this.#askAt = Infinity;
    try {
      return await this.#secrets.use(async ({ credentials }) => {
        const leftMs = (credentials.expiration?.getTime() ?? Infinity) - Date.now();
        this.#askAt = Date.now() + Math.max(leftMs - beforehandMs, leftMs / 2);
        return credentials;
      }, this.#ended);
    } catch (error) {
      this.#current = undefined;
      throw BusError.is(error) ? unsent(error) : error;
    }
  }
}

function unsent({ code, message, retryable, context }: BusError): BusError {
  return new BusError(code, message, { retryable, context, outcome: 'rejected' });
}
