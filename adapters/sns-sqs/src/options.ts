/** What signs requests, where the SDK's own chain is not to be asked. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface SnsSqsOptions {
  /** The region of AWS. Default: as the SDK finds it (`AWS_REGION`, the profile), and `us-east-1` with `endpoint`. */
  readonly region?: string;
  /** The S3 bucket for topics, pointers, dead letters and the logs of the data bus. It must exist; with `endpoint` it is made
   *  if there is none, and the default is `duobus`. */
  readonly bucket?: string;
  /** Where SNS, SQS and S3 answer instead of AWS, such as an emulator: `http://127.0.0.1:4566`. Default: AWS. */
  readonly endpoint?: string;
  /** Default: as the SDK finds them (environment, profile, role). */
  readonly credentials?: AwsCredentials;
  /** What the names of topics and queues, and the keys of objects, begin with: 1 to 16 letters, digits or `-`. Systems with
   *  different prefixes share an account and a bucket and never meet. Default `duobus`. */
  readonly prefix?: string;
  /** A document comes back when its consumer shows no sign of life for so long, in ms, whole seconds. Default 30,000,
   *  minimum 2,000, maximum 600,000. */
  readonly visibilityMs?: number;
  /** How long one request waits for documents at most, in ms, whole seconds: idle consumers cost one request in that time.
   *  Default 20,000, minimum 1,000, maximum 20,000. */
  readonly pollMs?: number;
  /** A new subscription is there when so many probes in a row have come through. Default 3, minimum 1, maximum 20. */
  readonly probes?: number;
  /** A member of a group that shows no sign of life for so long is dead, in ms. Signs of life are requests that cost money:
   *  four in that time. Default 30,000, minimum 1,000. */
  readonly leaseMs?: number;
  /** How often an idle reader of the data bus looks by itself, in case a bell was not heard, in ms. Default 20,000, minimum
   *  100. */
  readonly lookEveryMs?: number;
  /** Time for one connection attempt in ms. Default 5,000, minimum 100. */
  readonly connectTimeoutMs?: number;
  /** Time for one request in ms, besides what it waits for documents. Default 10,000, minimum 500. */
  readonly requestTimeoutMs?: number;
}

/** Options with every default filled in. */
export interface Settings {
  readonly region: string | undefined;
  readonly bucket: string;
  readonly endpoint: string | undefined;
  readonly credentials: AwsCredentials | undefined;
  readonly prefix: string;
  /** What the keys of all objects begin with. */
  readonly root: string;
  readonly visibilityMs: number;
  readonly pollMs: number;
  readonly probes: number;
  readonly leaseMs: number;
  readonly lookEveryMs: number;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Whom it talks to, without credentials, for messages. */
  readonly where: string;
}

const known = [
  'region',
  'bucket',
  'endpoint',
  'credentials',
  'prefix',
  'visibilityMs',
  'pollMs',
  'probes',
  'leaseMs',
  'lookEveryMs',
  'connectTimeoutMs',
  'requestTimeoutMs',
] as const satisfies readonly (keyof SnsSqsOptions)[];

const longestMs = 2 ** 31 - 1;

/** @throws TypeError that says which option is wrong and what it takes. */
export function settingsOf(options: SnsSqsOptions): Settings {
  if (typeof options !== 'object' || options === null)
    throw new TypeError("sns-sqs: options must be an object, e.g. { bucket: 'my-bucket' }");
  for (const name of Object.keys(options)) {
    if (!(known as readonly string[]).includes(name))
      throw new TypeError(`sns-sqs: unknown option '${name}'. Known are: ${known.join(', ')}`);
  }
  const endpoint = endpointOf(options.endpoint);
  const emulated = endpoint !== undefined;
  const bucket = textOf('bucket', options.bucket) ?? (emulated ? 'duobus' : undefined);
  if (bucket === undefined)
    throw new TypeError(
      "sns-sqs: bucket is missing: give the name of an S3 bucket, { bucket: 'my-bucket' } or sns+sqs://eu-central-1/my-bucket",
    );
  const region = textOf('region', options.region) ?? (emulated ? 'us-east-1' : undefined);
  const prefix = prefixOf(options.prefix);
  return {
    region,
    bucket,
    endpoint,
    credentials: credentialsOf(options.credentials),
    prefix,
    root: `${prefix}/`,
    visibilityMs: seconds('visibilityMs', options.visibilityMs, 30_000, 2_000, 600_000),
    pollMs: seconds('pollMs', options.pollMs, 20_000, 1_000, 20_000),
    probes: integer('probes', options.probes, 3, 1, 20),
    leaseMs: integer('leaseMs', options.leaseMs, 30_000, 1_000, longestMs),
    lookEveryMs: integer('lookEveryMs', options.lookEveryMs, 20_000, 100, longestMs),
    connectTimeoutMs: integer('connectTimeoutMs', options.connectTimeoutMs, 5_000, 100, longestMs),
    requestTimeoutMs: integer('requestTimeoutMs', options.requestTimeoutMs, 10_000, 500, longestMs),
    where: endpoint ?? `AWS${region === undefined ? '' : ` in ${region}`}`,
  };
}

const form =
  'sns+sqs://eu-central-1/my-bucket for AWS, or sns+sqs://127.0.0.1:4566/my-bucket for an emulator';

/** Options from a URL: a host with a port, or with dots, is an endpoint, any other is a region. The secret is never repeated in
 *  a message. */
export function optionsOfUrl(url: string): SnsSqsOptions {
  const match = /^sns\+sqs:\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^/?#]*))?\/?(?:\?([^#]*))?$/.exec(
    url,
  );
  if (match === null) throw new TypeError(`sns-sqs: a URL must look like ${form}`);
  const [, login, host = '', bucket = '', query = ''] = match;
  const { region, tls } = parametersOf(query);
  const isEndpoint = /[.:]/.test(host) || host === 'localhost';
  if (!isEndpoint && tls !== undefined)
    throw new TypeError(
      'sns-sqs: the parameter tls of the URL is for endpoints; AWS is always asked with TLS',
    );
  return {
    ...(isEndpoint ? { endpoint: `${tls === 'true' ? 'https' : 'http'}://${host}` } : {}),
    ...(!isEndpoint && host !== '' ? { region: host } : {}),
    ...(region === undefined ? {} : { region }),
    ...(bucket === '' ? {} : { bucket: decoded(bucket, 'the bucket') }),
    ...(login === undefined ? {} : { credentials: loginOf(login) }),
  };
}

function parametersOf(query: string): {
  readonly region: string | undefined;
  readonly tls: string | undefined;
} {
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    if (name !== 'region' && name !== 'tls')
      throw new TypeError(
        `sns-sqs: the URL has an unknown parameter '${name}', known are region and tls; give everything else as options`,
      );
  }
  const tls = parameters.get('tls') ?? undefined;
  if (tls !== undefined && tls !== 'true' && tls !== 'false')
    throw new TypeError('sns-sqs: the parameter tls of the URL must be true or false');
  return { region: parameters.get('region') ?? undefined, tls };
}

function loginOf(login: string): AwsCredentials {
  const parts = login.split(':').map((part) => decoded(part, 'key and secret'));
  const [accessKeyId = '', secretAccessKey = ''] = parts;
  if (parts.length !== 2 || accessKeyId === '' || secretAccessKey === '')
    throw new TypeError(
      'sns-sqs: credentials in the URL must be key:secret@; better leave them out, and the SDK finds them',
    );
  return { accessKeyId, secretAccessKey };
}

function decoded(part: string, what: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // the cause would repeat the secret
    throw new TypeError(`sns-sqs: ${what} in the URL must be percent-encoded`);
  }
}

function endpointOf(value: unknown): string | undefined {
  const endpoint = textOf('endpoint', value);
  if (endpoint === undefined) return undefined;
  if (/^https?:\/\/[^/@]+\/?$/.test(endpoint)) return endpoint.replace(/\/$/, '');
  throw new TypeError('sns-sqs: endpoint must look like http://127.0.0.1:4566');
}

function prefixOf(value: unknown): string {
  const prefix = textOf('prefix', value) ?? 'duobus';
  if (/^[A-Za-z0-9-]{1,16}$/.test(prefix)) return prefix;
  throw new TypeError('sns-sqs: prefix must be of 1 to 16 letters, digits or -');
}

function credentialsOf(value: unknown): AwsCredentials | undefined {
  if (value === undefined) return undefined;
  const { accessKeyId, secretAccessKey, sessionToken } = (value ?? {}) as Partial<AwsCredentials>;
  if (typeof accessKeyId !== 'string' || typeof secretAccessKey !== 'string')
    throw new TypeError('sns-sqs: credentials must have accessKeyId and secretAccessKey');
  const token = textOf('credentials.sessionToken', sessionToken);
  return { accessKeyId, secretAccessKey, ...(token === undefined ? {} : { sessionToken: token }) };
}

function textOf(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '')
    throw new TypeError(`sns-sqs: ${name} must be a string that is not empty`);
  return value;
}

function integer(
  name: string,
  value: unknown,
  standard: number,
  least: number,
  most: number,
): number {
  if (value === undefined) return standard;
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most)
    return value as number;
  throw new TypeError(`sns-sqs: ${name} must be a whole number from ${least} to ${most}`);
}

/** SQS counts in seconds. */
function seconds(
  name: string,
  value: unknown,
  standard: number,
  least: number,
  most: number,
): number {
  const ms = integer(name, value, standard, least, most);
  if (ms % 1_000 === 0) return ms;
  throw new TypeError(`sns-sqs: ${name} must be whole seconds, in ms, e.g. ${standard}`);
}
