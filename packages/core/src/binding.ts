import { isAttributeName } from './envelope.ts';
import type { Attributes } from './envelope.ts';
import type { InboundRecord } from './driver.ts';
import { received, textOf } from './internal/received-attributes.ts';
import {
  decodeStructured,
  encodeStructured,
  structuredContentType,
} from './internal/structured-json.ts';

/** Attributes and data as they are on the wire. */
export interface Wire {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** How a broker carries CloudEvents: pure, the same for every document. */
export interface Binding {
  encode(attributes: Attributes, data: Uint8Array): Wire;
  /** Throws DUOBUS_DECODE for what is not a CloudEvent, with a reason that helps to find its publisher. */
  decode(record: InboundRecord): { readonly attributes: Attributes; readonly data: Uint8Array };
}

export interface BinaryBindingOptions {
  /** In front of an attribute's name makes the header's name, e.g. `ce_`. */
  readonly prefix: string;
  /** Other prefixes that readers understand. Where a header is there twice, `prefix` counts. */
  readonly alsoRead?: readonly string[];
  /** The header that holds `datacontenttype`, e.g. `content-type`. */
  readonly contentType: string;
}

const empty = new Uint8Array(0);

const usualNames = [
  'specversion',
  'id',
  'source',
  'type',
  'time',
  'subject',
  'dataschema',
  'partitionkey',
  'correlationid',
  'causationid',
  'traceparent',
  'tracestate',
] as const;

/** Attributes as headers, the document as the body; structured JSON is read too, as CloudEvents asks for. */
export function binaryBinding(options: BinaryBindingOptions): Binding {
  const { prefix, contentType } = options;
  const prefixes = [prefix, ...(options.alsoRead ?? [])];
  const headerOf = new Map<string, string>(usualNames.map((name) => [name, prefix + name]));
  headerOf.set('datacontenttype', contentType);
  const nameOf = new Map<string, string>(usualNames.map((name) => [prefix + name, name]));

  const hint = `its attributes should be in headers ${prefix}id, ${prefix}source and so on`;

  function collect(
    headers: Readonly<Record<string, unknown>>,
    type: string | undefined,
  ): Record<string, string> {
    const attributes: Record<string, string> = {};
    for (const header of Object.keys(headers)) {
      const usual = nameOf.get(header);
      if (usual !== undefined) {
        const text = textOf(headers[header]);
        if (text !== undefined) attributes[usual] = text;
      } else {
        readOther(attributes, header, headers[header]);
      }
    }
    if (type !== undefined) attributes['datacontenttype'] = type;
    return attributes;
  }

  function readOther(attributes: Record<string, string>, header: string, value: unknown): void {
    const used = prefixes.find((candidate) => header.startsWith(candidate));
    if (used === undefined) return;
    const name = header.slice(used.length);
    if (!isAttributeName(name) || (used !== prefix && Object.hasOwn(attributes, name))) return;
    const text = textOf(value);
    if (text !== undefined) attributes[name] = text;
  }

  return Object.freeze({
    encode(attributes: Attributes, data: Uint8Array): Wire {
      const headers: Record<string, string> = {};
      for (const name of Object.keys(attributes)) {
        headers[headerOf.get(name) ?? prefix + name] = attributes[name] as string;
      }
      return { headers, body: data };
    },
    decode(record: InboundRecord): { attributes: Attributes; data: Uint8Array } {
      const type = contentTypeOf(record.headers, contentType);
      const data = record.body ?? empty;
      if (type !== undefined && isStructured(type)) return decodeStructured(data, type);
      return { attributes: received(collect(record.headers, type), record, hint), data };
    },
  });
}

/** The whole event as one JSON document: for brokers for which CloudEvents defines no headers. */
export const structuredBinding: Binding = Object.freeze({
  encode: (attributes: Attributes, data: Uint8Array): Wire => ({
    headers: { 'content-type': structuredContentType },
    body: encodeStructured(attributes, data),
  }),
  decode: (record: InboundRecord): { attributes: Attributes; data: Uint8Array } =>
    decodeStructured(record.body ?? empty, structuredContentType),
});

function contentTypeOf(
  headers: Readonly<Record<string, unknown>>,
  name: string,
): string | undefined {
  const value = headers[name];
  if (value !== undefined) return textOf(value) || undefined;
  for (const header of Object.keys(headers)) {
    if (header.length === name.length && header.toLowerCase() === name)
      return textOf(headers[header]) || undefined;
  }
  return undefined;
}

function isStructured(contentType: string): boolean {
  return (
    contentType.charCodeAt(11) === slash &&
    contentType.slice(0, 23).toLowerCase() === 'application/cloudevents'
  );
}

const slash = 0x2f;
