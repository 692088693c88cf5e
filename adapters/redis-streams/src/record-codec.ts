import type { InboundRecord, OutboundRecord } from '@duobus/core/driver';

/** Marks an entry as written by this adapter, and says how: it is always the first field. */
export const markField = 'duobus';
export const markValue = '1';

/** CloudEvents in their JSON format: what every other reader can do something with. */
const eventField = 'event';
const dataField = 'data';
const keyField = 'key';
const headerPrefix = 'h:';
const contentType = 'content-type';
const structured = 'application/cloudevents+json';

/** Fields and values of an entry, one after the other, without the mark. The key comes first if there is one. */
export function encodeRecord({ key, headers, body }: OutboundRecord): (string | Buffer)[] {
  const fields: (string | Buffer)[] = key === undefined ? [] : [keyField, key];
  const isEvent = body !== null && headers[contentType] === structured;
  for (const name of Object.keys(headers)) {
    if (isEvent && name === contentType) continue;
    fields.push(headerPrefix + name, headers[name] as string);
  }
  if (body !== null) fields.push(isEvent ? eventField : dataField, asBuffer(body));
  return fields;
}

/** What an entry says, whoever has written it. `fields` has names and values in turn; the record begins with one of them
 *  and ends before another. */
export function decodeRecord(
  fields: readonly Buffer[],
  from = 0,
  to: number = fields.length,
): InboundRecord {
  return decodeUsual(fields, from, to) ?? decodeAny(fields, from, to);
}

const keyName = Buffer.from(keyField);
const eventName = Buffer.from(eventField);
const markName = Buffer.from(markField);
const eventHeaders = Object.freeze({ [contentType]: structured });

/** A document, with or without a key, as nearly all are. */
function decodeUsual(
  fields: readonly Buffer[],
  from: number,
  to: number,
): InboundRecord | undefined {
  const event = to - 2;
  if (event < from || !isName(fields[event] as Buffer, eventName)) return undefined;
  const usual = { headers: eventHeaders, body: fields[event + 1] as Buffer };
  if (event === from) return { key: undefined, ...usual };
  if (event !== from + 2 || !isName(fields[from] as Buffer, keyName)) return undefined;
  return { key: (fields[from + 1] as Buffer).toString(), ...usual };
}

/** For names of a few bytes quicker than what compares memory. */
function isName(field: Buffer, name: Buffer): boolean {
  if (field.length !== name.length) return false;
  for (let at = 0; at < name.length; at += 1) if (field[at] !== name[at]) return false;
  return true;
}

function decodeAny(fields: readonly Buffer[], from: number, to: number): InboundRecord {
  // names come from the wire
  const headers = Object.create(null) as Record<string, string>;
  let key: string | undefined;
  let body: Uint8Array | null = null;
  for (let at = from; at + 1 < to; at += 2) {
    const name = (fields[at] as Buffer).toString();
    const value = fields[at + 1] as Buffer;
    if (name === keyField) key = value.toString();
    else if (name === dataField) body = value;
    else if (name === eventField) {
      body = value;
      headers[contentType] ??= structured;
    } else if (name.startsWith(headerPrefix)) {
      headers[name.slice(headerPrefix.length)] = value.toString();
    } else headers[name] = value.toString();
  }
  return { key, headers, body };
}

/** Whether this adapter has written the entry. */
export function isOurs(fields: readonly Buffer[]): boolean {
  const [first] = fields;
  return first !== undefined && isName(first, markName);
}

/** The same bytes as what ioredis takes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
