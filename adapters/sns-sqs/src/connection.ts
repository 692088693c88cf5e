import {
  CreateBucketCommand,
  GetBucketLifecycleConfigurationCommand,
  HeadBucketCommand,
  type LifecycleRule,
  S3Client,
} from '@aws-sdk/client-s3';
import { SNSClient, type SNSClientConfig } from '@aws-sdk/client-sns';
import { SQSClient } from '@aws-sdk/client-sqs';
import { BusError, Secrets } from '@duobus/core/driver';
import type { ObjectStore } from '@duobus/object-log';
import { AskedCredentials } from './credentials.ts';
import { classify, statusOf } from './native-errors.ts';
import type { AwsCredentials, Settings } from './options.ts';
import { S3Store } from './s3-store.ts';

/** What `native` is: the clients of one half of a bus. They are duobus's: do not destroy them. */
export interface AwsNative {
  readonly sns: SNSClient;
  readonly sqs: SQSClient;
  readonly s3: S3Client;
}

/** Requests that run at once: more wait in the client, without a bound and without a timeout. */
const sockets = 64;
/** Every poller has one to itself. */
const pollSockets = 1_024;

/** What all clients are told alike. */
type Shared = Pick<
  SNSClientConfig,
  'region' | 'endpoint' | 'credentials' | 'maxAttempts' | 'requestHandler'
>;

/** As far as it is needed of what a command is: what it resolves to. */
interface Command<Output> {
  readonly input: object;
  resolveMiddleware(...args: never[]): (args: never) => Promise<{ readonly output: Output }>;
}

interface Client {
  send(command: never, options: { readonly abortSignal: AbortSignal }): Promise<unknown>;
}

/** The clients of one half of a bus. HTTP has no connection to lose: each request succeeds or fails by itself. */
export class Connection {
  readonly settings: Settings;
  readonly native: AwsNative;
  readonly store: ObjectStore;
  readonly #polling: SQSClient;
  readonly #ended = new AbortController();

  constructor(settings: Settings) {
    this.settings = settings;
    const { endpoint, requestTimeoutMs, pollMs } = settings;
    const asked =
      settings.credentials instanceof Secrets
        ? new AskedCredentials(settings.credentials, this.#ended.signal)
        : undefined;
    const config = (maxSockets: number, timeoutMs: number): Shared =>
      configOf(settings, asked, maxSockets, timeoutMs);
    const short = config(sockets, requestTimeoutMs);
    this.native = {
      sns: new SNSClient(short),
      sqs: new SQSClient({ ...short, useQueueUrlAsEndpoint: endpoint === undefined }),
      s3: new S3Client({ ...short, forcePathStyle: endpoint !== undefined }),
    };
    this.#polling = new SQSClient({
      ...config(pollSockets, pollMs + requestTimeoutMs),
      useQueueUrlAsEndpoint: endpoint === undefined,
    });
    for (const client of [...Object.values(this.native), this.#polling])
      asked?.attend((client as SQSClient).middlewareStack);
    this.store = new S3Store(this.native.s3, settings.bucket, () => this.refuseClosed());
  }

  /** Aborted, with the error to tell, once it is closed. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Makes sure that AWS answers and that the bucket is there. */
  async open(signal: AbortSignal): Promise<void> {
    this.refuseClosed();
    const { bucket, endpoint, where } = this.settings;
    const tried = `look for bucket ${bucket} of ${where}`;
    try {
      await this.native.s3.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (statusOf(error) === 400) throw notLetIn(bucket, where, error);
      if (statusOf(error) !== 404) throw classify(error, tried);
      if (endpoint === undefined) throw missingBucket(bucket, where, error);
      await this.#createBucket(bucket, signal);
    }
    await this.#refuseExpiry(signal);
  }

  async close(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort(closedError());
    const { sns, sqs, s3 } = this.native;
    for (const client of [sns, sqs, s3, this.#polling]) client.destroy();
  }

  /** @throws BusError DUOBUS_CLOSED */
  refuseClosed(): void {
    if (this.#ended.signal.aborted) throw closedError();
  }

  /** `tried` completes "cannot ...".
   *  @throws BusError with `outcome`, or the reason of the signal */
  sns<Output>(command: Command<Output>, signal: AbortSignal, tried: string): Promise<Output> {
    return this.#send(this.native.sns, command, signal, tried);
  }

  /** As {@link sns}. */
  sqs<Output>(command: Command<Output>, signal: AbortSignal, tried: string): Promise<Output> {
    return this.#send(this.native.sqs, command, signal, tried);
  }

  /** As {@link sns}, for what waits: it keeps nothing else from being sent. */
  poll<Output>(command: Command<Output>, signal: AbortSignal, tried: string): Promise<Output> {
    return this.#send(this.#polling, command, signal, tried);
  }

  async #send<Output>(
    client: Client,
    command: Command<Output>,
    signal: AbortSignal,
    tried: string,
  ): Promise<Output> {
    this.refuseClosed();
    try {
      return (await client.send(command as never, { abortSignal: signal })) as Output;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      this.refuseClosed();
      throw classify(error, tried);
    }
  }

  /** What the bucket removes by itself is lost silently. */
  async #refuseExpiry(signal: AbortSignal): Promise<void> {
    const { bucket, root } = this.settings;
    let rules: readonly LifecycleRule[];
    try {
      const found = await this.native.s3.send(
        new GetBucketLifecycleConfigurationCommand({ Bucket: bucket }),
        { abortSignal: signal },
      );
      rules = found.Rules ?? [];
    } catch {
      signal.throwIfAborted();
      // there is no rule, or it is not for us to know
      return;
    }
    const harmful = rules.find((rule) => expires(rule, root));
    if (harmful === undefined) return;
    throw new BusError(
      'DUOBUS_NOT_SUPPORTED',
      `AWS: lifecycle rule '${harmful.ID ?? ''}' of bucket ${bucket} removes what duobus keeps below ${root}: take it off, or give it another prefix`,
      { context: { bucket } },
    );
  }

  async #createBucket(bucket: string, signal: AbortSignal): Promise<void> {
    try {
      await this.native.s3.send(new CreateBucketCommand({ Bucket: bucket }), {
        abortSignal: signal,
      });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      // somebody else has made it meanwhile
      if (statusOf(error) !== 409) throw classify(error, `make bucket ${bucket}`);
    }
  }
}

function configOf(
  settings: Settings,
  asked: AskedCredentials | undefined,
  maxSockets: number,
  requestTimeout: number,
): Shared {
  const { region, endpoint, connectTimeoutMs } = settings;
  const credentials = asked?.provider ?? (settings.credentials as AwsCredentials | undefined);
  return {
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    // what has failed is tried again by the runtime, which knows what may be sent twice
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      requestTimeout,
      throwOnRequestTimeout: true,
      // a reply that stalls in the middle has no other end
      socketTimeout: requestTimeout,
      httpAgent: { maxSockets },
      httpsAgent: { maxSockets },
    },
  };
}

/** Whether the rule removes objects below `root`. Tags and sizes may spare some of them, which does not help. */
function expires({ Status, Expiration, Filter, Prefix }: LifecycleRule, root: string): boolean {
  if (Status !== 'Enabled' || Expiration === undefined) return false;
  if (Expiration.Days === undefined && Expiration.Date === undefined) return false;
  const prefix = Filter?.Prefix ?? Filter?.And?.Prefix ?? Prefix ?? '';
  return root.startsWith(prefix) || prefix.startsWith(root);
}

/** The reply to a HEAD has no body that could say why. */
function notLetIn(bucket: string, where: string, cause: unknown): BusError {
  return new BusError(
    'DUOBUS_PERMISSION',
    `AWS: ${where} does not accept a request for bucket ${bucket}: have the credentials expired, or is the bucket in another region?`,
    { cause, context: { bucket } },
  );
}

function missingBucket(bucket: string, where: string, cause: unknown): BusError {
  return new BusError(
    'DUOBUS_NOT_FOUND',
    `AWS: there is no bucket ${bucket} in ${where}: make it, or give the name of another in option bucket`,
    { cause, context: { bucket } },
  );
}

function closedError(): BusError {
  return new BusError('DUOBUS_CLOSED', 'this connection to AWS was closed: connect again');
}
