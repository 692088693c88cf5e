import { OptionReader, type Secret, urlParameters, urlPart } from '@duobus/core/driver';
import { type CredentialSecrets, credentialsOf } from './credentials.ts';

/** What signs requests, where the SDK's own chain is not to be asked. */
export interface AwsCredentials {
  /** The id of the access key. */
  readonly accessKeyId: string;
  /** Its secret. */
  readonly secretAccessKey: string;
  /** Of temporary credentials. Default: none. */
  readonly sessionToken?: string;
  /** When they end: a function that returned them is asked again in time. Default: they do not, until AWS refuses them. */
  readonly expiration?: Date;
}

export interface SnsSqsOptions {
  /** The region of AWS. Default: as the SDK finds it (`AWS_REGION`, the profile), and `us-east-1` with `endpoint`. */
  readonly region?: string;
  /** The S3 bucket for topics, pointers, dead letters and the logs of the data bus. It must exist; with `endpoint` it is made
   *  if there is none, and the default is `duobus`. */
  readonly bucket?: string;
  /** Where SNS, SQS and S3 answer instead of AWS, such as an emulator: `http://127.0.0.1:4566`. Default: AWS. */
  readonly endpoint?: string;
  /** What signs requests, or a function that returns it, such as a provider of the SDK: it is asked again when they end and
   *  when AWS refuses them. Default: as the SDK finds them (environment, profile, role). */
  readonly credentials?: Secret<AwsCredentials>;
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
  readonly credentials: AwsCredentials | CredentialSecrets | undefined;
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

type Reader = OptionReader<keyof SnsSqsOptions>;

/** @throws TypeError that says which option is wrong and what it takes. */
export function settingsOf(options: SnsSqsOptions): Settings {
  const reader = new OptionReader('sns-sqs', options, known);
  const endpoint = endpointOf(reader);
  const emulated = endpoint !== undefined;
  const bucket = reader.text('bucket', emulated ? 'duobus' : undefined);
  if (bucket === undefined)
    throw reader.wrong(
      "bucket is missing: give the name of an S3 bucket, { bucket: 'my-bucket' } or sns+sqs://eu-central-1/my-bucket",
    );
  const region = reader.text('region', emulated ? 'us-east-1' : undefined);
  const prefix = prefixOf(reader);
  const connectTimeoutMs = reader.integer('connectTimeoutMs', 5_000, 100);
  return {
    region,
    bucket,
    endpoint,
    credentials: credentialsOf(reader, connectTimeoutMs),
    prefix,
    root: `${prefix}/`,
    visibilityMs: seconds(reader, 'visibilityMs', 30_000, 2_000, 600_000),
    pollMs: seconds(reader, 'pollMs', 20_000, 1_000, 20_000),
    probes: reader.integer('probes', 3, 1, 20),
    leaseMs: reader.integer('leaseMs', 30_000, 1_000),
    lookEveryMs: reader.integer('lookEveryMs', 20_000, 100),
    connectTimeoutMs,
    requestTimeoutMs: reader.integer('requestTimeoutMs', 10_000, 500),
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
    ...(bucket === '' ? {} : { bucket: urlPart('sns-sqs', bucket) }),
    ...(login === undefined ? {} : { credentials: loginOf(login) }),
  };
}

function parametersOf(query: string) {
  const { region, tls } = urlParameters('sns-sqs', query, ['region', 'tls'], known);
  if (tls !== undefined && tls !== 'true' && tls !== 'false')
    throw new TypeError('sns-sqs: the parameter tls of the URL must be true or false');
  return { region, tls };
}

function loginOf(login: string): AwsCredentials {
  const [accessKeyId = '', secretAccessKey = '', more] = login
    .split(':')
    .map((part) => urlPart('sns-sqs', part));
  if (more !== undefined || accessKeyId === '' || secretAccessKey === '')
    throw new TypeError(
      'sns-sqs: credentials in the URL must be key:secret@; better leave them out, and the SDK finds them',
    );
  return { accessKeyId, secretAccessKey };
}

function endpointOf(reader: Reader): string | undefined {
  const endpoint = reader.text('endpoint', undefined);
  if (endpoint === undefined) return undefined;
  if (/^https?:\/\/[^/@]+\/?$/.test(endpoint)) return endpoint.replace(/\/$/, '');
  throw reader.wrong('endpoint must look like http://127.0.0.1:4566');
}

function prefixOf(reader: Reader): string {
  const prefix = reader.text('prefix', 'duobus');
  if (/^[A-Za-z0-9-]{1,16}$/.test(prefix)) return prefix;
  throw reader.wrong('prefix must be of 1 to 16 letters, digits or -');
}

/** SQS counts in seconds. */
function seconds(
  reader: Reader,
  name: keyof SnsSqsOptions,
  standard: number,
  least: number,
  most: number,
): number {
  const ms = reader.integer(name, standard, least, most);
  if (ms % 1_000 === 0) return ms;
  throw reader.wrong(`${name} must be whole seconds, in ms, e.g. ${standard}`);
}
