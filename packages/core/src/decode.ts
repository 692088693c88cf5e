import { json } from './codec.ts';
import type { Binding } from './binding.ts';
import type { DeadReason } from './dead-letters.ts';
import type { InboundRecord } from './driver.ts';
import type { Attributes } from './envelope.ts';
import { BusError } from './errors.ts';
import { describeIssues } from './internal/schema-issues.ts';
import type { SchemaResult, StandardSchema } from './standard-schema.ts';
import { anyType } from './topic.ts';
import type { AnyTopic } from './topic.ts';

/** A document's attributes and raw data: what is known before its body is read. */
export interface Envelope {
  readonly attributes: Attributes;
  readonly data: Uint8Array;
  /** The record's key, or where the broker has none the attribute `partitionkey`. */
  readonly key: string | undefined;
}

export interface Decoded {
  readonly kind: 'document';
  readonly attributes: Attributes;
  readonly type: string;
  readonly document: unknown;
}

type FailureReason = Extract<DeadReason, 'decode' | 'schema' | 'unknown-type'>;

/** Why a document cannot be handed to a handler: a dead letter at once, as trying again would not help. */
export class DecodeFailure extends Error {
  readonly reason: FailureReason;
  readonly error: BusError;
  /** Known where the envelope could be read. */
  readonly attributes: Attributes | undefined;

  constructor(reason: FailureReason, error: BusError, attributes: Attributes | undefined) {
    super(error.message, { cause: error });
    this.name = 'DecodeFailure';
    this.reason = reason;
    this.error = error;
    this.attributes = attributes;
  }
}

/** A document of a type that the topic does not list, where it says `unknownType: 'skip'`. */
export interface Skipped {
  readonly kind: 'skip';
  readonly attributes: Attributes;
}

/** Reads the envelope. Cheap: the document stays bytes.
 *  @throws DecodeFailure */
export function decodeAttributes(record: InboundRecord, binding: Binding): Envelope {
  try {
    const { attributes, data } = binding.decode(record);
    return { attributes, data, key: record.key ?? attributes['partitionkey'] };
  } catch (cause) {
    throw failure('decode', cause, undefined);
  }
}

/** Reads the document: its type, its codec, and its schema, whose output the handler gets. A promise only where the
 *  schema is asynchronous.
 *  @throws DecodeFailure, and rejects with nothing else */
export function decodeDocument(
  topic: AnyTopic,
  envelope: Pick<Envelope, 'attributes' | 'data'>,
): Decoded | Skipped | Promise<Decoded> {
  const { attributes, data } = envelope;
  const { type } = attributes;
  const schema = topic.types.get(type);
  if (schema === undefined && !topic.types.has(type) && !anyType(topic))
    return unknownType(topic, attributes);
  let document: unknown;
  try {
    document = (topic.options.codec ?? json).decode(data, attributes['datacontenttype']);
  } catch (cause) {
    throw failure('decode', cause, attributes);
  }
  if (schema === undefined) return { kind: 'document', attributes, type, document };
  return validate(topic, schema, attributes, document);
}

function validate(
  topic: AnyTopic,
  schema: StandardSchema,
  attributes: Attributes,
  document: unknown,
): Decoded | Promise<Decoded> {
  const judge = (result: SchemaResult<unknown>): Decoded => {
    if (result.issues === undefined)
      return { kind: 'document', attributes, type: attributes.type, document: result.value };
    const message = `a document of type '${attributes.type}' on topic '${topic.name}' does not fit its schema: ${describeIssues(result.issues)}`;
    throw new BusError('DUOBUS_DECODE', message);
  };
  const fail = (cause: unknown): never => {
    throw failure('schema', cause, attributes);
  };
  try {
    const result = schema['~standard'].validate(document);
    return result instanceof Promise ? result.then(judge).catch(fail) : judge(result);
  } catch (cause) {
    return fail(cause);
  }
}

function unknownType(topic: AnyTopic, attributes: Attributes): Skipped {
  if (topic.options.unknownType === 'skip') return { kind: 'skip', attributes };
  const known = [...topic.types.keys()].slice(0, 20).join("', '");
  const message = `topic '${topic.name}' has no type '${attributes.type.slice(0, 200)}', only '${known}': add it to the topic, or set unknownType to 'skip'`;
  throw failure('unknown-type', new BusError('DUOBUS_DECODE', message), attributes);
}

function failure(
  reason: FailureReason,
  cause: unknown,
  attributes: Attributes | undefined,
): DecodeFailure {
  if (BusError.is(cause, 'DUOBUS_DECODE')) return new DecodeFailure(reason, cause, attributes);
  const said = cause instanceof Error ? cause.message : String(cause);
  const error = new BusError(
    'DUOBUS_DECODE',
    `the ${reason === 'schema' ? 'schema' : 'codec'} threw: ${said}`,
    { cause },
  );
  return new DecodeFailure(reason, error, attributes);
}
