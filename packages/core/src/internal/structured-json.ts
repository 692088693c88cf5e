import { isJson } from '../codec.ts';
import { isAttributeName } from '../envelope.ts';
import type { Attributes } from '../envelope.ts';
import { BusError } from '../errors.ts';
import { membersOf, valueEnd } from './json-members.ts';
import type { Member } from './json-members.ts';
import { received } from './received-attributes.ts';

export const structuredContentType = 'application/cloudevents+json';

/** All that JSON allows around a value is not above it. */
const space = 0x20;

const whereAttributes =
  "its body should be a JSON object with the members 'id', 'source' and so on";

/** CloudEvents JSON format. Data that is JSON goes in as the bytes it is, everything else as base64; so does JSON with space
 *  around it, which nobody could tell from that of the event. */
export function encodeStructured(attributes: Attributes, data: Uint8Array): Uint8Array {
  const head = JSON.stringify(attributes).slice(0, -1);
  if (data.length === 0) return Buffer.from(`${head}}`);
  if (!isJson(attributes['datacontenttype'] ?? 'application/json') || hasSpaceAround(data)) {
    return Buffer.from(`${head},"data_base64":"${bufferOf(data).toString('base64')}"}`);
  }
  const start = `${head},"data":`;
  const length = Buffer.byteLength(start);
  const body = Buffer.allocUnsafe(length + data.length + 1);
  body.write(start);
  body.set(data, length);
  body[length + data.length] = 0x7d;
  return body;
}

const hasSpaceAround = (data: Uint8Array): boolean =>
  (data[0] as number) <= space || (data[data.length - 1] as number) <= space;

/** @throws BusError DUOBUS_DECODE */
export function decodeStructured(
  body: Uint8Array,
  contentType: string,
): { attributes: Attributes; data: Uint8Array } {
  checkFormat(contentType);
  const json = bufferOf(body);
  return decodeUsual(json) ?? decodeAny(json);
}

const dataMember = ',"data":';

/** Events as `encodeStructured` writes them: the data comes last, so all attributes are parsed at once. `undefined` for
 *  any other. */
function decodeUsual(json: Buffer): { attributes: Attributes; data: Uint8Array } | undefined {
  const at = json.indexOf(dataMember, 0, 'latin1');
  if (at < 0) return undefined;
  const start = at + dataMember.length;
  let head: Record<string, unknown>;
  try {
    // inside of a string, or of another value, this is no JSON
    head = JSON.parse(`${json.toString('utf8', 0, at)}}`) as Record<string, unknown>;
    if (json[json.length - 1] !== 0x7d || valueEnd(json, start) !== json.length - 1)
      return undefined;
  } catch {
    return undefined;
  }
  const attributes: Record<string, string> = {};
  for (const name of Object.keys(head)) {
    const value = head[name];
    if (typeof value !== 'string' || name === 'data') return undefined;
    if (isAttributeName(name)) attributes[name] = value;
    else if (name === 'data_base64') return undefined;
  }
  const complete = received(attributes, { headers: {}, body: json }, whereAttributes);
  const data = { name: 'data', start, end: json.length - 1 };
  return { attributes: complete, data: dataOf(json, data, complete) };
}

function decodeAny(json: Buffer): { attributes: Attributes; data: Uint8Array } {
  const attributes: Record<string, string> = {};
  let data: Member | undefined;
  let base64: Member | undefined;
  for (const member of members(json)) {
    if (member.name === 'data') data = member;
    else if (member.name === 'data_base64') base64 = member;
    else if (isAttributeName(member.name)) readAttribute(attributes, json, member);
  }
  const complete = received(attributes, { headers: {}, body: json }, whereAttributes);
  if (base64 !== undefined && valueOf(json, base64) !== null)
    return { attributes: complete, data: fromBase64(json, base64) };
  return {
    attributes: complete,
    data: data === undefined ? json.subarray(0, 0) : dataOf(json, data, complete),
  };
}

function checkFormat(contentType: string): void {
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (type === 'application/cloudevents' || type === structuredContentType) return;
  throw new BusError(
    'DUOBUS_DECODE',
    `the event is in the format '${type.slice(0, 80)}', duobus reads ${structuredContentType} and binary mode`,
  );
}

function members(json: Buffer): readonly Member[] {
  try {
    return membersOf(json);
  } catch (cause) {
    const message = `not a CloudEvent: its body (${json.length} bytes) should be a JSON object, ${(cause as Error).message}. What published it?`;
    throw new BusError('DUOBUS_DECODE', message, { cause });
  }
}

function readAttribute(attributes: Record<string, string>, json: Buffer, member: Member): void {
  const value = valueOf(json, member);
  if (value === null) return;
  if (typeof value === 'object') {
    throw new BusError(
      'DUOBUS_DECODE',
      `not a CloudEvent: its attribute '${member.name.slice(0, 40)}' is ${Array.isArray(value) ? 'an array' : 'an object'}, has to be a string, number or boolean`,
    );
  }
  attributes[member.name] = String(value);
}

/** The data as bytes: of a type that is not JSON it is the text of a JSON string, else the JSON as it is written. */
function dataOf(json: Buffer, member: Member, attributes: Attributes): Uint8Array {
  if (!isJson(attributes['datacontenttype'] ?? 'application/json')) {
    const value = valueOf(json, member);
    if (typeof value === 'string') return Buffer.from(value);
  }
  return json.subarray(member.start, member.end);
}

function fromBase64(json: Buffer, member: Member): Uint8Array {
  const value = valueOf(json, member);
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
    throw new BusError('DUOBUS_DECODE', 'not a CloudEvent: its data_base64 is not base64');
  }
  return Buffer.from(value, 'base64');
}

function valueOf(json: Buffer, member: Member): unknown {
  try {
    return JSON.parse(json.toString('utf8', member.start, member.end));
  } catch (cause) {
    throw new BusError(
      'DUOBUS_DECODE',
      `not a CloudEvent: its member '${member.name.slice(0, 40)}' is not JSON`,
      { cause },
    );
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
