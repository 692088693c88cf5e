/** What tests tell brokers apart by: one adapter, one URL. */
export type BrokerKind = 'rabbitmq' | 'kafka' | 'redis' | 'sns-sqs' | 'postgres';

interface Product {
  readonly kind: BrokerKind;
  /** Version lines, and what each is fetched from: a Debian release, or a version at Maven or PyPI. */
  readonly lines: Readonly<Record<string, string>>;
  /** The line that a name without one means. */
  readonly usual: string;
  /** The variable that says otherwise, so that tests which start brokers of their own follow a matrix. */
  readonly follows?: string;
}

export const kafkaVersion = '4.3.1';
export const ministackVersion = '1.5.33';

const rabbitmq = {
  kind: 'rabbitmq',
  lines: { '3.10': 'bookworm', '4.0': 'trixie', '4.3': 'forky' },
  usual: '4.3',
  follows: 'DUOBUS_TEST_RABBITMQ_VERSION',
} as const;
const kafka = {
  kind: 'kafka',
  lines: { [kafkaVersion]: kafkaVersion },
  usual: kafkaVersion,
} as const;
const redis = {
  kind: 'redis',
  lines: { '7.0': 'bookworm', '8.0': 'trixie' },
  usual: '8.0',
  follows: 'DUOBUS_TEST_REDIS_VERSION',
} as const;
const valkey = { kind: 'redis', lines: { '8.1': 'trixie', '9.1': 'forky' }, usual: '9.1' } as const;

const catalogue = {
  rabbitmq,
  'rabbitmq-cluster': rabbitmq,
  kafka,
  'kafka-cluster': kafka,
  redis,
  'redis-cluster': redis,
  valkey,
  'valkey-cluster': valkey,
  'sns-sqs': {
    kind: 'sns-sqs',
    lines: { [ministackVersion]: ministackVersion },
    usual: ministackVersion,
  },
  postgres: { kind: 'postgres', lines: { '15': 'bookworm', '18': 'forky' }, usual: '15' },
} as const satisfies Readonly<Record<string, Product>>;

export type ProductName = keyof typeof catalogue;

/** A broker as a user names it: a product and the version line of it. */
export interface BrokerSpec {
  readonly kind: BrokerKind;
  readonly product: ProductName;
  readonly version: string;
  /** What {@link version} is fetched from: a Debian release, or a version at Maven or PyPI. */
  readonly source: string;
  /** `rabbitmq@4.3`, `kafka`: also the name of its shared instance. */
  readonly name: string;
}

const products = new Map<string, Product>(Object.entries(catalogue));

const known = [...products].map(([name, { lines, usual }]) => {
  const versions = Object.keys(lines);
  return versions.length === 1 ? name : `${name}[@${versions.join('|@')}] (= ${name}@${usual})`;
});

/** `4.3.1` is of the lines `4` and `4.3`. */
export const isOfLine = (version: string, line: string): boolean =>
  `${version}.`.startsWith(`${line}.`);

/** What the variable makes of a name without a version: it says `valkey@9.1`, `valkey`, or `7.0` alone. */
function followed(name: string, variable: string, value: string): readonly [string, string?] {
  const [first = '', line] = value.split('@', 2);
  if (line === undefined && !products.has(first)) return [name, first];
  const product = name.endsWith('-cluster') ? `${first}-cluster` : first;
  if (products.get(product)?.kind === products.get(name)?.kind)
    return line === undefined ? [product] : [product, line];
  throw new TypeError(`${variable}=${value} names no version of ${name}`);
}

export function parseSpec(text: string): BrokerSpec {
  const [name = '', version] = text.split('@', 2);
  const variable = products.get(name)?.follows;
  const value = variable === undefined ? undefined : process.env[variable];
  const [product, line] =
    version === undefined && variable !== undefined && value
      ? followed(name, variable, value)
      : [name, version];
  const about = products.get(product);
  const { lines = {}, usual = '' } = about ?? {};
  // where there is but one line, any part of it will do, and its name needs none
  const only = Object.keys(lines).length === 1;
  const found = line === undefined || (only && isOfLine(usual, line)) ? usual : line;
  const source = Object.hasOwn(lines, found) ? lines[found] : undefined;
  if (about === undefined || source === undefined)
    throw new TypeError(`unknown broker "${text}"; known are: ${known.join(', ')}`);
  return {
    kind: about.kind,
    product: product as ProductName,
    version: found,
    source,
    name: only ? product : `${product}@${found}`,
  };
}

export const urlVariables: Readonly<Record<BrokerKind, string>> = {
  rabbitmq: 'DUOBUS_TEST_RABBITMQ_URL',
  kafka: 'DUOBUS_TEST_KAFKA_URL',
  redis: 'DUOBUS_TEST_REDIS_URL',
  'sns-sqs': 'DUOBUS_TEST_SNS_SQS_URL',
  postgres: 'DUOBUS_TEST_POSTGRES_URL',
};

/** Folder in adapters/ of the adapter that is tested against brokers of that kind. */
export const adapterNames: Readonly<Partial<Record<BrokerKind, string>>> = {
  rabbitmq: 'rabbitmq',
  kafka: 'kafka',
  redis: 'redis-streams',
  'sns-sqs': 'sns-sqs',
};

/** What makes tests that start brokers of their own start that one's version: empty if there is no choice. */
export function versionEnvironment(text: string): Readonly<Record<string, string>> {
  const { kind, product, version } = parseSpec(text);
  const variable = [...products.values()].find((one) => one.kind === kind)?.follows;
  const single = product.replace(/-cluster$/, '');
  return variable === undefined ? {} : { [variable]: `${single}@${version}` };
}
