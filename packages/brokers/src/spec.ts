export type BrokerKind = 'rabbitmq' | 'kafka';

/** A broker as a user names it: a kind and the version line of it. */
export interface BrokerSpec {
  readonly kind: BrokerKind;
  readonly version: string;
  /** `rabbitmq@4.3`, `kafka`: also the name of its shared instance. */
  readonly name: string;
}

/** Debian release whose RabbitMQ belongs to that version line. */
export const rabbitmqSuites: Readonly<Record<string, string>> = {
  '3.10': 'bookworm',
  '4.0': 'trixie',
  '4.3': 'forky',
};
export const kafkaVersion = '4.3.1';

const known = [
  'rabbitmq (= rabbitmq@4.3)',
  ...Object.keys(rabbitmqSuites).map((v) => `rabbitmq@${v}`),
  'kafka',
];

export function parseSpec(text: string): BrokerSpec {
  const [kind, version] = text.split('@', 2);
  if (kind === 'rabbitmq') {
    // the matrix runs tests that start brokers of their own: they follow it
    const line = version ?? process.env['DUOBUS_TEST_RABBITMQ_VERSION'] ?? '4.3';
    if (Object.hasOwn(rabbitmqSuites, line))
      return { kind, version: line, name: `rabbitmq@${line}` };
  }
  if (kind === 'kafka' && (version === undefined || `${kafkaVersion}.`.startsWith(`${version}.`))) {
    return { kind, version: kafkaVersion, name: 'kafka' };
  }
  throw new TypeError(`unknown broker "${text}"; known are: ${known.join(', ')}`);
}

export const urlVariables: Readonly<Record<BrokerKind, string>> = {
  rabbitmq: 'DUOBUS_TEST_RABBITMQ_URL',
  kafka: 'DUOBUS_TEST_KAFKA_URL',
};
