import { isUtf8 } from 'node:buffer';
import { BusError } from './errors.ts';
import { clean } from './internal/clean-json.ts';

/** Document to bytes and back. Where `contentType` is JSON, `encode` must return one JSON value in UTF-8. */
export interface Codec {
  /** CloudEvents `datacontenttype` of what `encode` returns. */
  readonly contentType: string;
  encode(document: unknown): Uint8Array;
  /** `contentType` is what the publisher said, `undefined` if it said nothing. */
  decode(data: Uint8Array, contentType: string | undefined): unknown;
}

const byteOrderMark = 0xfeff;

/** JSON in UTF-8: the default. An event without data is `undefined`. */
export const json: Codec = Object.freeze({
  contentType: 'application/json',
  encode(document: unknown): Uint8Array {
    let text: string | undefined;
    try {
      text = JSON.stringify(document);
    } catch (cause) {
      throw notSerialisable(reasonOf(cause), cause);
    }
    if (text === undefined) {
      throw notSerialisable(
        `it is ${document === undefined ? 'undefined' : `a ${typeof document}`}`,
      );
    }
    return Buffer.from(text);
  },
  decode(data: Uint8Array, contentType: string | undefined): unknown {
    if (contentType !== undefined && contentType !== 'application/json') checkJson(contentType);
    if (data.length === 0) return undefined;
    const text = textOf(data);
    try {
      return clean(JSON.parse(text), text);
    } catch (cause) {
      throw new BusError('DUOBUS_DECODE', `the document is not JSON (${data.length} bytes)`, {
        cause,
      });
    }
  },
});

/** A Uint8Array, untouched. Both ways a copy, so that no side can change what the other holds. */
export const bytes: Codec = Object.freeze({
  contentType: 'application/octet-stream',
  encode(document: unknown): Uint8Array {
    if (document instanceof Uint8Array) return new Uint8Array(document);
    throw new BusError(
      'DUOBUS_INVALID',
      `the codec of this topic is bytes, which takes a Uint8Array, and the document is ${document === null ? 'null' : `of type ${typeof document}`}: encode it first, or take the codec json`,
      { outcome: 'rejected' },
    );
  },
  decode: (data: Uint8Array): unknown => new Uint8Array(data),
});

/** Whether a content type says JSON: application/json, text/json or anything+json, with or without parameters. */
export function isJson(contentType: string): boolean {
  if (contentType === 'application/json') return true;
  const end = contentType.indexOf(';');
  const type = (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
  return type.endsWith('/json') || type.endsWith('+json');
}

function checkJson(contentType: string): void {
  if (!isJson(contentType)) {
    throw new BusError(
      'DUOBUS_DECODE',
      `the document's content type is '${contentType.slice(0, 80)}' and the topic's codec reads JSON: give the topic a codec for it, e.g. bytes`,
    );
  }
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(contentType)?.[1];
  if (charset !== undefined && !/^(?:utf-?8|us-ascii)$/i.test(charset)) {
    throw new BusError(
      'DUOBUS_DECODE',
      `the document's charset is '${charset.slice(0, 40)}', JSON has to be UTF-8`,
    );
  }
}

function textOf(data: Uint8Array): string {
  const buffer = Buffer.isBuffer(data)
    ? data
    : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const text = buffer.toString();
  // What is not UTF-8 is read as the replacement character, which a document may hold of its own.
  if (text.includes('\ufffd') && !isUtf8(data)) {
    throw new BusError('DUOBUS_DECODE', `the document is not UTF-8 (${data.length} bytes)`);
  }
  return text.charCodeAt(0) === byteOrderMark ? text.slice(1) : text;
}

function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (message.includes('BigInt')) return 'it holds a BigInt: publish it as a string';
  if (message.includes('circular')) return 'it refers to itself: publish a copy without the cycle';
  if (cause instanceof RangeError) return 'it is nested too deeply';
  return message;
}

function notSerialisable(reason: string, cause?: unknown): BusError {
  const message = `the document cannot be written as JSON: ${reason}. Publish a plain object, array, string, number, boolean or null, or give the topic another codec`;
  return new BusError('DUOBUS_INVALID', message, { cause, outcome: 'rejected' });
}
