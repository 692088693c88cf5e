import { isUtf8 } from 'node:buffer';
import type { InboundRecord, OutboundRecord } from '@duobus/core/driver';

/** A message attribute, as SNS and SQS take it. */
export interface TextAttribute {
  readonly DataType: 'String';
  readonly StringValue: string;
}

/** A message attribute as SQS gives it back, whoever has set it. */
export interface ReceivedAttribute {
  readonly DataType?: string | undefined;
  readonly StringValue?: string | undefined;
  readonly BinaryValue?: Uint8Array | undefined;
}

export interface EncodedRecord {
  readonly text: string;
  readonly attributes: Readonly<Record<string, TextAttribute>>;
  /** What it counts for in the limits of SNS and SQS. */
  readonly bytes: number;
}

export interface DecodedRecord extends InboundRecord {
  /** The state it was redriven with. */
  readonly state: string | undefined;
}

/** On every message: a filter that asks for the absence of an attribute lets nothing through that has none at all. */
const markName = 'duobus';
const markValue = '1';
const encodingName = 'duobus-encoding';
const keyName = 'duobus-key';
const headersName = 'duobus-headers';
const stateName = 'duobus-state';
/** Only on probes: the subscription that is meant. */
export const toName = 'duobus-to';

const contentType = 'content-type';

/** Of text that is valid UTF-8: what SNS and SQS refuse, as XML 1.0 does. */
// oxlint-disable-next-line no-control-regex
const illegal = /[\0-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;
/** Values that come back as they are, from JSON and from XML alike. */
const plain = /^[\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]+$/u;
/** What JSON.stringify lets through and XML does not. */
const unescaped = /[\ufffe\uffff]/g;
const nothing = new Uint8Array(0);

/** A document as SNS and SQS carry it. `state` goes along where it is redriven. */
export function encodeRecord(
  { key, headers, body }: OutboundRecord | InboundRecord,
  state?: string,
): EncodedRecord {
  const attributes: Record<string, TextAttribute> = { [markName]: text(markValue) };
  const { encoding, value } = encodeBody(body);
  if (encoding !== undefined) attributes[encodingName] = text(encoding);
  if (key !== undefined) attributes[keyName] = text(quoted(key));
  if (state !== undefined) attributes[stateName] = text(quoted(state));
  const others: [string, string][] = [];
  for (const name of Object.keys(headers)) {
    const header = String(headers[name]);
    if (name === contentType && plain.test(header)) attributes[name] = text(header);
    else others.push([name, header]);
  }
  // more than ten attributes, and SNS would drop the message on its way into the queue
  if (others.length > 0) attributes[headersName] = text(json(others));
  let bytes = Buffer.byteLength(value);
  for (const name of Object.keys(attributes))
    bytes += sizeOf(name, attributes[name] as TextAttribute);
  return { text: value, attributes, bytes };
}

/** What a message says, whoever has sent it. Never throws. */
export function decodeRecord(
  body: string | undefined,
  attributes: Readonly<Record<string, ReceivedAttribute>> = {},
): DecodedRecord {
  // names come from the wire
  const headers = Object.create(null) as Record<string, string>;
  for (const name of Object.keys(attributes)) {
    if (name === markName || name.startsWith('duobus-')) continue;
    const value = valueOf(attributes[name]);
    if (value !== undefined) headers[name] = value;
  }
  readPacked(headers, valueOf(attributes[headersName]));
  return {
    key: unquoted(valueOf(attributes[keyName])),
    headers,
    body: decodeBody(body ?? '', valueOf(attributes[encodingName])),
    state: unquoted(valueOf(attributes[stateName])),
  };
}

/** The subscription a probe is for; `undefined` for documents. */
export function probed(
  attributes: Readonly<Record<string, ReceivedAttribute>> | undefined,
): string | undefined {
  return valueOf(attributes?.[toName]);
}

export function text(value: string): TextAttribute {
  return { DataType: 'String', StringValue: value };
}

function sizeOf(name: string, { DataType, StringValue }: TextAttribute): number {
  return name.length + DataType.length + Buffer.byteLength(StringValue);
}

/** Messages must not be empty, and hold only text. */
function encodeBody(body: Uint8Array | null): { encoding?: string; value: string } {
  if (body === null) return { encoding: 'null', value: '-' };
  if (body.byteLength === 0) return { encoding: 'empty', value: '-' };
  const bytes = bufferOf(body);
  if (isUtf8(bytes)) {
    const value = bytes.toString();
    if (!illegal.test(value)) return { value };
  }
  return { encoding: 'base64', value: bytes.toString('base64') };
}

function decodeBody(body: string, encoding: string | undefined): Uint8Array | null {
  if (encoding === 'null') return null;
  if (encoding === 'empty') return nothing;
  return Buffer.from(body, encoding === 'base64' ? 'base64' : 'utf8');
}

/** As it is, or as JSON where an attribute cannot carry it. */
function quoted(value: string): string {
  return plain.test(value) && !value.startsWith('"') ? value : json(value);
}

function unquoted(value: string | undefined): string | undefined {
  if (value?.startsWith('"') !== true) return value;
  const parsed = parsedOf(value);
  return typeof parsed === 'string' ? parsed : value;
}

function json(value: unknown): string {
  return JSON.stringify(value).replace(
    unescaped,
    (char) => `\\u${char.charCodeAt(0).toString(16)}`,
  );
}

/** Pairs, so that no name is anything else than a name. */
function readPacked(headers: Record<string, string>, packed: string | undefined): void {
  const pairs = packed === undefined ? undefined : parsedOf(packed);
  if (!Array.isArray(pairs)) return;
  for (const pair of pairs as unknown[]) {
    if (!Array.isArray(pair)) continue;
    const [name, value] = pair as unknown[];
    if (typeof name === 'string' && typeof value === 'string') headers[name] = value;
  }
}

function parsedOf(value: string): unknown {
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return undefined;
  }
}

function valueOf(attribute: ReceivedAttribute | undefined): string | undefined {
  if (attribute?.StringValue !== undefined) return attribute.StringValue;
  return attribute?.BinaryValue === undefined
    ? undefined
    : bufferOf(attribute.BinaryValue).toString('base64');
}

/** The same bytes. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
