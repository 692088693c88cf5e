import { isPlainText } from './envelope.ts';
import { checkOptions } from './internal/check-options.ts';
import { checkInteger, checkOneOf } from './internal/check-values.ts';

const pattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/;
const allowed = '1 to 80 of A-Z a-z 0-9 . _ - beginning with a letter or digit';

/** Names are checked here once; adapters map them to their broker's alphabet without collisions.
 *  @throws TypeError that says what is allowed. */
export function checkName(
  kind: 'topic' | 'subscription' | 'group',
  name: unknown,
): asserts name is string {
  checkInternalName(kind, name);
  if (/^duobus(?:[._-]|$)/i.test(name)) {
    throw new TypeError(`${kind} '${name}': names that begin with 'duobus' are duobus's own`);
  }
}

/** As `checkName`, for the names that duobus gives to its own topics, subscriptions and groups. */
export function checkInternalName(
  kind: 'topic' | 'subscription' | 'group',
  name: unknown,
): asserts name is string {
  if (typeof name !== 'string') {
    throw new TypeError(`the name of a ${kind} must be a string of ${allowed}, got ${typeof name}`);
  }
  if (!pattern.test(name)) {
    throw new TypeError(
      `${kind} ${JSON.stringify(name.slice(0, 100))} cannot be a name: use ${allowed}`,
    );
  }
}

const topicOptions = [
  'key',
  'order',
  'partitions',
  'retention',
  'maxBytes',
  'codec',
  'unknownType',
  'dataschema',
  'schema',
  'types',
  'type',
] as const;

/** @throws TypeError for a name or options that `topic` does not take. */
export function checkTopicOptions(name: unknown, options: unknown): void {
  checkName('topic', name);
  const call = `topic '${name}'`;
  const given = checkOptions(call, options, topicOptions);
  const { key, order, partitions, maxBytes, unknownType, dataschema } = given;
  if (key !== undefined && typeof key !== 'function') {
    throw new TypeError(
      `${call}: key must be a function from a document to its key, e.g. (order) => order.id`,
    );
  }
  checkOneOf(call, 'order', order, ['none', 'key']);
  checkOneOf(call, 'unknownType', unknownType, ['dead', 'skip']);
  checkInteger(call, 'partitions', partitions, 1, 1024);
  checkInteger(call, 'maxBytes', maxBytes, 1, 2 ** 30);
  if (dataschema !== undefined) checkWord(call, 'dataschema', dataschema);
  checkRetention(call, given['retention']);
  checkCodec(call, given['codec']);
  checkTypes(call, given);
}

/** @throws TypeError for a retention that `topic` and `topics.alter` do not take. */
export function checkRetention(call: string, retention: unknown): void {
  if (retention === undefined) return;
  const given = checkOptions(`${call}: retention`, retention, ['maxAgeMs', 'maxBytes']);
  if (given['maxAgeMs'] !== null) {
    checkInteger(call, 'retention.maxAgeMs', given['maxAgeMs'], 1000, Number.MAX_SAFE_INTEGER);
  }
  if (given['maxBytes'] !== null) {
    checkInteger(call, 'retention.maxBytes', given['maxBytes'], 1, Number.MAX_SAFE_INTEGER);
  }
}

function checkWord(call: string, option: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '' || value.length > 255 || !isPlainText(value)) {
    throw new TypeError(`${call}: ${option} must be a string of 1 to 255 printable characters`);
  }
}

function checkCodec(call: string, codec: unknown): void {
  if (codec === undefined) return;
  const { contentType, encode, decode } = (codec ?? {}) as Record<string, unknown>;
  if (typeof encode !== 'function' || typeof decode !== 'function') {
    throw new TypeError(
      `${call}: codec must have contentType, encode and decode, as json and bytes`,
    );
  }
  checkWord(call, 'codec.contentType', contentType);
  // A reader would take such a document for the envelope itself: that is how CloudEvents marks structured mode.
  if (contentType.trim().toLowerCase().startsWith('application/cloudevents')) {
    throw new TypeError(
      `${call}: codec.contentType '${contentType}' is the envelope's own: name the document's`,
    );
  }
}

function checkTypes(call: string, given: Readonly<Record<string, unknown>>): void {
  const { schema, types, type } = given;
  if (type !== undefined) checkWord(call, 'type', type);
  if (schema !== undefined) checkSchema(call, 'schema', schema);
  if (types === undefined) return;
  if (schema !== undefined || type !== undefined) {
    throw new TypeError(`${call}: give either types, or one schema with its type`);
  }
  if (
    typeof types !== 'object' ||
    types === null ||
    Array.isArray(types) ||
    Object.keys(types).length === 0
  ) {
    throw new TypeError(
      `${call}: types must be an object from CloudEvents types to schemas, with at least one`,
    );
  }
  for (const [name, inner] of Object.entries(types)) {
    checkWord(call, 'every name in types', name);
    checkSchema(call, `types['${name}']`, inner);
  }
}

function checkSchema(call: string, option: string, schema: unknown): void {
  const standard = (schema as { '~standard'?: { version?: unknown; validate?: unknown } } | null)?.[
    '~standard'
  ];
  if (standard?.version === 1 && typeof standard.validate === 'function') return;
  throw new TypeError(
    `${call}: ${option} must be a Standard Schema (zod, valibot, arktype and others make them)`,
  );
}
