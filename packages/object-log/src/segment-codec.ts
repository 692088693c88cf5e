import { BusError, type OutboundRecord } from '@duobus/core/driver';

/*
 * A segment is one object: what one publisher has appended at a time, or what compaction has made of several. Numbers are
 * big-endian.
 *
 *   head     magic (4 bytes), version (1), 3 unused, first offset (8), end (8), nonce (16), batches (4), records at (4)
 *   batches  for each: first offset less that of the segment (4), count (4), time in ms (8), 0 = the object's own
 *   records  for each: length of what follows (4), flags (1), [key: length (4), bytes], [headers: count (2), for each
 *            name and value: length (4), bytes], body to the end
 *
 * Offsets within a batch are dense. Between batches some may be missing in topics of which only the newest record of each
 * key is kept: so a segment says where it ends.
 */

export const headBytes = 48;
const batchBytes = 16;
const magic = 0x44424c47;
const version = 1;
const nonceAt = 24;

const hasKey = 1;
const isRemoval = 2;
const hasUsualHeaders = 4;

const contentType = 'content-type';
const structured = 'application/cloudevents+json';
/** What nearly all records have, and only that. */
const usualHeaders: Readonly<Record<string, string>> = Object.freeze({
  [contentType]: structured,
});

/** What the first bytes of a segment tell. */
export interface SegmentHead {
  readonly first: number;
  /** The offset after its last. */
  readonly end: number;
  /** Of whoever has written it, at random. */
  readonly nonce: string;
  readonly batches: number;
  readonly recordsAt: number;
}

/** Records that follow each other and have one time. */
export interface Batch {
  readonly first: number;
  readonly count: number;
  /** 0: that of the object. */
  readonly time: number;
}

export interface Segment {
  readonly first: number;
  readonly end: number;
  /** 32 hexadecimal digits. */
  readonly nonce: string;
  readonly batches: readonly Batch[];
  /** Encoded, one after the other. */
  readonly records: readonly Uint8Array[];
}

/** Where a record is in the bytes of its segment. */
export interface Span {
  readonly offset: number;
  readonly time: number;
  readonly from: number;
  readonly to: number;
}

export function encodeRecords(records: readonly OutboundRecord[]): Buffer {
  return Buffer.concat(records.flatMap((record) => encodeRecord(record)));
}

export function encodeSegment({ first, end, nonce, batches, records }: Segment): Buffer {
  const recordsAt = headBytes + batches.length * batchBytes;
  const head = Buffer.alloc(recordsAt);
  head.writeUInt32BE(magic, 0);
  head.writeUInt8(version, 4);
  head.writeBigUInt64BE(BigInt(first), 8);
  head.writeBigUInt64BE(BigInt(end), 16);
  head.write(nonce, nonceAt, 'hex');
  head.writeUInt32BE(batches.length, 40);
  head.writeUInt32BE(recordsAt, 44);
  batches.forEach((batch, at) => {
    const place = headBytes + at * batchBytes;
    head.writeUInt32BE(batch.first - first, place);
    head.writeUInt32BE(batch.count, place + 4);
    head.writeBigUInt64BE(BigInt(batch.time), place + 8);
  });
  return Buffer.concat([head, ...records]);
}

/** @throws BusError DUOBUS_DECODE for what is not a segment, or one of a version this code does not know. */
export function decodeHead(body: Uint8Array): SegmentHead {
  const bytes = asBuffer(body);
  if (bytes.length < headBytes || bytes.readUInt32BE(0) !== magic)
    throw broken('was it written by something else than duobus?');
  if (bytes.readUInt8(4) !== version)
    throw new BusError(
      'DUOBUS_DECODE',
      `a segment of the log has version ${bytes.readUInt8(4)}, this version of duobus reads ${version}: upgrade this process`,
    );
  return {
    first: Number(bytes.readBigUInt64BE(8)),
    end: Number(bytes.readBigUInt64BE(16)),
    nonce: bytes.toString('hex', nonceAt, nonceAt + 16),
    batches: bytes.readUInt32BE(40),
    recordsAt: bytes.readUInt32BE(44),
  };
}

/** @throws BusError DUOBUS_DECODE where the bytes do not reach to the end of the table. */
export function decodeBatches(
  body: Uint8Array,
  head: SegmentHead = decodeHead(body),
): readonly Batch[] {
  const bytes = asBuffer(body);
  if (bytes.length < head.recordsAt || head.recordsAt < headBytes + head.batches * batchBytes)
    throw broken('its table is cut off');
  return Array.from({ length: head.batches }, (_, at) => {
    const place = headBytes + at * batchBytes;
    return {
      first: head.first + bytes.readUInt32BE(place),
      count: bytes.readUInt32BE(place + 4),
      time: Number(bytes.readBigUInt64BE(place + 8)),
    };
  });
}

/** Where the records are, in order. `partial`: the bytes are only the first ones of the segment, and so are the records.
 *  @throws BusError DUOBUS_DECODE */
export function* spansOf(
  body: Uint8Array,
  partial = false,
  head: SegmentHead = decodeHead(body),
): Generator<Span> {
  const bytes = asBuffer(body);
  let from = head.recordsAt;
  for (const { first, count, time } of decodeBatches(body, head))
    for (let offset = first; offset < first + count; offset += 1) {
      const to = from + 4 <= bytes.length ? from + 4 + bytes.readUInt32BE(from) : Infinity;
      if (to > bytes.length) {
        if (partial) return;
        throw broken('its records are cut off');
      }
      yield { offset, time, from, to };
      from = to;
    }
}

/** What was appended. */
export function decodeRecord(
  body: Uint8Array,
  { from, to }: Pick<Span, 'from' | 'to'>,
): OutboundRecord {
  const bytes = asBuffer(body);
  const flags = bytes.readUInt8(from + 4);
  let at = from + 5;
  const text = (): string => {
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > to) throw broken('a record in it is longer than it says');
    const found = bytes.toString('utf8', at + 4, end);
    at = end;
    return found;
  };
  const key = (flags & hasKey) === 0 ? undefined : text();
  let headers = usualHeaders;
  if ((flags & hasUsualHeaders) === 0) {
    // names come from the wire
    const found = Object.create(null) as Record<string, string>;
    const count = bytes.readUInt16BE(at);
    at += 2;
    for (let n = 0; n < count; n += 1) {
      const name = text();
      found[name] = text();
    }
    headers = found;
  }
  return { key, headers, body: (flags & isRemoval) === 0 ? bytes.subarray(at, to) : null };
}

function encodeRecord({ key, headers, body }: OutboundRecord): readonly Uint8Array[] {
  const names = Object.keys(headers);
  const usual = names.length === 1 && headers[contentType] === structured;
  const flags =
    (key === undefined ? 0 : hasKey) |
    (body === null ? isRemoval : 0) |
    (usual ? hasUsualHeaders : 0);
  const texts: string[] = key === undefined ? [] : [key];
  if (!usual) for (const name of names) texts.push(name, headers[name] as string);
  const sizes = texts.map((text) => Buffer.byteLength(text));
  const length = sizes.reduce((sum, size) => sum + 4 + size, 5 + (usual ? 0 : 2));
  const head = Buffer.allocUnsafe(length);
  head.writeUInt32BE(length - 4 + (body?.length ?? 0), 0);
  head.writeUInt8(flags, 4);
  let at = 5;
  const write = (index: number): void => {
    at = head.writeUInt32BE(sizes[index] as number, at);
    at += head.write(texts[index] as string, at);
  };
  if (key !== undefined) write(0);
  if (!usual) {
    at = head.writeUInt16BE(names.length, at);
    for (let index = key === undefined ? 0 : 1; index < texts.length; index += 1) write(index);
  }
  return body === null ? [head] : [head, body];
}

function broken(why: string): BusError {
  return new BusError('DUOBUS_DECODE', `an object of the log is not a segment: ${why}`);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
