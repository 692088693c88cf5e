import { createHash } from 'node:crypto';
import { type Binding, binaryBinding, type OutboundRecord } from '@duobus/core/driver';
import type { AmqpMessage, AmqpProperties, AmqpPublishOptions } from './client.ts';

/** CloudEvents' binding for AMQP, as far as AMQP 0-9-1 has the same: attributes are headers. */
export const binding: Binding = binaryBinding({
  prefix: 'cloudEvents:',
  alsoRead: ['cloudEvents_', 'ce-'],
  contentType: 'content-type',
});

/** Holds what the runtime stores with a document. */
const stateHeader = 'duobus-state';
/** The partition a dead letter comes from, so that it can go back there. */
const partitionHeader = 'duobus-partition';
/** Tells a returned copy from others; see `Publisher`. */
export const copyHeader = 'duobus-copy';

/** AMQP's limit for message ids, in bytes. */
const longestShortString = 255;
const empty: Buffer = Buffer.alloc(0);

/** What a publish hands to amqplib besides the body. Content type and id are AMQP properties, the rest headers. */
export function encodeRecord(record: OutboundRecord): AmqpPublishOptions {
  const headers: Record<string, unknown> = {};
  const contentType = fits(record.headers['content-type']);
  for (const name in record.headers) {
    if (name !== 'content-type' || contentType === undefined) headers[name] = record.headers[name];
  }
  const messageId = fits(record.headers['cloudEvents:id']);
  return { persistent: true, headers, contentType, messageId };
}

/** The body as a Buffer over the same memory. */
export function bodyOf(record: OutboundRecord): Buffer {
  const { body } = record;
  if (body === null) return empty;
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

export interface DecodedRecord {
  readonly headers: Record<string, unknown>;
  readonly state: string | undefined;
}

/** Headers as `Binding` reads them, and the state taken out of them. Values stay as amqplib gives them. */
export function decodeRecord({ properties }: AmqpMessage): DecodedRecord {
  const headers = properties.headers ?? {};
  let state: string | undefined;
  if (headers[copyHeader] !== undefined || headers[stateHeader] !== undefined) {
    const stored = headers[stateHeader];
    if (typeof stored === 'string') state = stored;
    delete headers[stateHeader];
    delete headers[copyHeader];
  }
  if (properties.contentType !== undefined) headers['content-type'] = properties.contentType;
  return { headers, state };
}

/** The partition that `encodeCopy` was given when this message was put away. */
export function partitionOf({ properties }: AmqpMessage): number | undefined {
  const value = properties.headers?.[partitionHeader];
  return typeof value === 'number' ? value : undefined;
}

/** Whether the broker may have handed this stored message out before. */
export function wasHandedOut(message: AmqpMessage): boolean {
  return message.fields.redelivered || handOvers(message) > 0;
}

/** How often the broker has handed this stored message out before, where it says so. */
export function handOvers({ properties }: AmqpMessage): number {
  const { headers } = properties;
  if (headers === undefined) return 0;
  return Math.max(count(headers['x-delivery-count']), count(headers['x-acquired-count']));
}

/** Headers the broker writes: a copied `x-delivery-count` would come back as if it were the copy's own. CC and BCC
 *  would send the copy to other queues as well. */
const brokerHeader =
  /^(x-delivery-count|x-acquired-count|x-death|x-first-death-.*|x-last-death-.*|CC|BCC)$/;

/** The same message to be stored once more with another state. Expiry and user id are left out: the first would drop
 *  the copy, the second is only accepted from its own user. */
export function encodeCopy(
  { properties }: AmqpMessage,
  state: string | undefined,
  partition?: number,
): AmqpPublishOptions {
  const headers: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(properties.headers ?? {})) {
    const property = name === 'content-type' && properties.contentType !== undefined;
    if (!property && name !== copyHeader && !brokerHeader.test(name))
      headers[name] = encodable(value);
  }
  if (state !== undefined) headers[stateHeader] = state;
  if (partition !== undefined) headers[partitionHeader] = partition;
  const { contentType, contentEncoding, priority, correlationId } = properties;
  const { replyTo, messageId, timestamp, type, appId } = properties;
  const own: AmqpProperties = { contentType, contentEncoding, priority, correlationId };
  return { ...own, replyTo, messageId, timestamp, type, appId, headers, persistent: true };
}

/** Which document this is, the same at every hand-over: source and id, or the bytes where it has none. */
export function identityOf({ content, properties }: AmqpMessage): string {
  const headers = properties.headers ?? {};
  const source = attribute(headers, 'source');
  const id = attribute(headers, 'id');
  if (source !== undefined && id !== undefined) return JSON.stringify([source, id]);
  return createHash('sha256').update(content).digest('base64');
}

function attribute(headers: Readonly<Record<string, unknown>>, name: string): string | undefined {
  for (const prefix of ['cloudEvents:', 'cloudEvents_', 'ce-']) {
    const value = headers[prefix + name];
    if (typeof value === 'string') return value;
  }
  return undefined;
}

/** amqplib guesses the types of what it encodes and stumbles over a few values that it can decode. */
function encodable(value: unknown): unknown {
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) ? value : { '!': 'double', value };
  }
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return value.map(encodable);
  const entries = Object.entries(value);
  if ('!' in value) {
    const tagged = value as { '!': unknown; value?: unknown };
    if (tagged['!'] === 'timestamp' || tagged['!'] === 'decimal') return value;
    return Object.fromEntries(entries.filter(([name]) => name !== '!').map(encodableEntry));
  }
  return Object.fromEntries(entries.map(encodableEntry));
}

function encodableEntry([name, value]: [string, unknown]): [string, unknown] {
  return [name, encodable(value)];
}

function fits(text: string | undefined): string | undefined {
  // no character takes more than three bytes in UTF-8 for each of its UTF-16 units
  if (text === undefined || text.length * 3 <= longestShortString) return text;
  return Buffer.byteLength(text) > longestShortString ? undefined : text;
}

function count(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
