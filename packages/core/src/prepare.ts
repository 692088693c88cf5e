import { json } from './codec.ts';
import type { Binding } from './binding.ts';
import type { Delivery } from './delivery.ts';
import type { OutboundRecord } from './driver.ts';
import { isPlainText, makeAttributes } from './envelope.ts';
import type { Attributes } from './envelope.ts';
import { BusError } from './errors.ts';
import { checkPublishOptions } from './internal/check-publish-options.ts';
import { newId } from './internal/new-id.ts';
import { describeIssues } from './internal/schema-issues.ts';
import type { PublishOptions } from './publish-options.ts';
import type { SchemaResult } from './standard-schema.ts';
import { anyType } from './topic.ts';
import type { AnyTopic } from './topic.ts';

/** What `prepare` needs to know of the bus. */
export interface PrepareContext {
  readonly source: string;
  readonly binding: Binding;
  readonly now: () => number;
  /** The delivery whose handler publishes; `options.cause` goes before it. */
  readonly parent?: Delivery | undefined;
  /** More attributes (traceparent, tracestate), or who gives them once id and type are known. */
  readonly extra?: Extra | ((id: string, type: string) => Extra | undefined) | undefined;
  /** The broker's own limit, for the message of DUOBUS_TOO_LARGE. */
  readonly limits?:
    | { readonly maxDocumentBytes: number; readonly maxDocumentBytesHelp: string }
    | undefined;
}

export type Extra = Readonly<Record<string, string>>;

/** A document ready for the broker. */
export interface Prepared {
  readonly id: string;
  readonly key: string | undefined;
  readonly type: string;
  readonly record: OutboundRecord;
  /** Size in bytes: document, names and values of attributes. */
  readonly bytes: number;
}

const defaultMaxBytes = 184_320;
const maxKeyBytes = 255;

/** Validates a document and puts its envelope together. A promise only where the topic's schema is asynchronous.
 *  @throws TypeError for wrong options
 *  @throws BusError DUOBUS_INVALID or DUOBUS_TOO_LARGE with outcome 'rejected' */
export function prepare(
  topic: AnyTopic,
  document: unknown,
  options: PublishOptions,
  context: PrepareContext,
): Prepared | Promise<Prepared> {
  checkPublishOptions(options);
  const type = typeOf(topic, options);
  const schema = topic.types.get(type);
  if (schema === undefined) return assemble(topic, type, document, options, context);
  let result: SchemaResult<unknown> | Promise<SchemaResult<unknown>>;
  try {
    result = schema['~standard'].validate(document);
  } catch (cause) {
    throw invalid(topic, `its schema threw: ${messageOf(cause)}`, cause);
  }
  const judge = (judged: SchemaResult<unknown>): Prepared => {
    if (judged.issues !== undefined) {
      throw invalid(
        topic,
        `a document of type '${type}' does not fit its schema: ${describeIssues(judged.issues)}`,
      );
    }
    return assemble(topic, type, document, options, context);
  };
  if (!(result instanceof Promise)) return judge(result);
  return result.then(judge, (cause: unknown) => {
    throw invalid(topic, `its schema threw: ${messageOf(cause)}`, cause);
  });
}

function assemble(
  topic: AnyTopic,
  type: string,
  document: unknown,
  options: PublishOptions,
  context: PrepareContext,
): Prepared {
  const codec = topic.options.codec ?? json;
  const key = keyOf(topic, document, options);
  const data = encoded(topic, document);
  const id = options.id ?? newId();
  const parent = options.cause ?? context.parent;
  const extra = typeof context.extra === 'function' ? context.extra(id, type) : context.extra;
  const attributes = makeAttributes(
    {
      id,
      source: context.source,
      type,
      time: timeOf(options.time, context),
      datacontenttype: codec.contentType,
      subject: options.subject,
      dataschema: topic.options.dataschema,
      partitionkey: key,
      correlationid:
        options.correlationId ?? parent?.attributes['correlationid'] ?? parent?.id ?? id,
      causationid: options.causationId ?? parent?.id,
    },
    extra === undefined || options.extensions === undefined
      ? (options.extensions ?? extra)
      : { ...extra, ...options.extensions },
  );
  const bytes = checkSize(topic, attributes, data, context);
  const { headers, body } = context.binding.encode(attributes, data);
  return { id, key, type, record: { key, headers, body }, bytes };
}

function typeOf(topic: AnyTopic, options: PublishOptions): string {
  const { type } = options;
  if (type === undefined) {
    if (topic.types.size === 1) return topic.types.keys().next().value as string;
    throw new TypeError(
      `publish to topic '${topic.name}': it has several types, so say which: { type: '${typesOf(topic).join("' | '")}' }`,
    );
  }
  if (topic.types.has(type) || anyType(topic)) return type;
  throw new TypeError(
    `publish to topic '${topic.name}': it has no type '${type.slice(0, 200)}', only '${typesOf(topic).join("', '")}'`,
  );
}

function typesOf(topic: AnyTopic): readonly string[] {
  return [...topic.types.keys()].slice(0, 20);
}

function keyOf(topic: AnyTopic, document: unknown, options: PublishOptions): string | undefined {
  let key: unknown = options.key;
  if (key === undefined) {
    if (topic.options.key === undefined) return undefined;
    try {
      key = topic.options.key(document as never);
    } catch (cause) {
      throw invalid(topic, `its key function threw: ${messageOf(cause)}`, cause);
    }
    if (key === undefined) return undefined;
  }
  const problem = keyProblem(key);
  if (problem === undefined) return key as string;
  if (options.key !== undefined)
    throw new TypeError(`publish to topic '${topic.name}': key ${problem}`);
  throw invalid(topic, `the key of the document ${problem}`);
}

function keyProblem(key: unknown): string | undefined {
  if (typeof key !== 'string')
    return `must be a string, got ${key === null ? 'null' : typeof key}: use String(...), or undefined for no key`;
  if (key === '') return 'must not be empty: use undefined for no key';
  if (
    key.length > maxKeyBytes ||
    (key.length * 3 > maxKeyBytes && Buffer.byteLength(key) > maxKeyBytes)
  ) {
    return `must be at most ${maxKeyBytes} bytes, it has ${Buffer.byteLength(key)}: use a digest of it`;
  }
  return isPlainText(key) ? undefined : 'must not hold control characters or unpaired surrogates';
}

function encoded(topic: AnyTopic, document: unknown): Uint8Array {
  const { codec = json } = topic.options;
  let data: unknown;
  try {
    data = codec.encode(document);
  } catch (cause) {
    if (BusError.is(cause, 'DUOBUS_INVALID') && cause.outcome === 'rejected') throw cause;
    throw invalid(topic, `its codec threw: ${messageOf(cause)}`, cause);
  }
  if (data instanceof Uint8Array) return data;
  throw invalid(
    topic,
    `its codec did not return a Uint8Array, but ${data === null ? 'null' : typeof data}`,
  );
}

function timeOf(time: Date | string | undefined, context: PrepareContext): string {
  if (typeof time === 'string') return time;
  return (time ?? new Date(context.now())).toISOString();
}

/** Sizes are measured before the binding, so that every broker refuses the same documents. */
function checkSize(
  topic: AnyTopic,
  attributes: Attributes,
  data: Uint8Array,
  context: PrepareContext,
): number {
  const { maxBytes = defaultMaxBytes } = topic.options;
  let bytes = data.length;
  for (const name of Object.keys(attributes))
    bytes += name.length + Buffer.byteLength(attributes[name] as string);
  if (bytes <= maxBytes) return bytes;
  const { maxDocumentBytes, maxDocumentBytesHelp } = context.limits ?? {};
  const broker =
    maxDocumentBytes === undefined
      ? ''
      : ` The broker's own limit is ${maxDocumentBytes} bytes by default. ${maxDocumentBytesHelp}`;
  throw new BusError(
    'DUOBUS_TOO_LARGE',
    `the document has ${bytes} bytes with its attributes, topic '${topic.name}' takes ${maxBytes}: publish less, or raise the topic's option maxBytes.${broker}`,
    { outcome: 'rejected', context: { topic: topic.name, bytes, maxBytes, maxDocumentBytes } },
  );
}

function invalid(topic: AnyTopic, problem: string, cause?: unknown): BusError {
  return new BusError('DUOBUS_INVALID', `publish to topic '${topic.name}': ${problem}`, {
    cause,
    outcome: 'rejected',
    context: { topic: topic.name },
  });
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
