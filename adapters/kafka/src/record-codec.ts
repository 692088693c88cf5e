import { type Binding, binaryBinding, type OutboundRecord } from '@duobus/core/driver';
import { crc32c } from './crc32c.ts';

/** CloudEvents' own for Kafka, binary mode. */
export const binding: Binding = binaryBinding({ prefix: 'ce_', contentType: 'content-type' });

/** Who writes a batch: with it the broker recognises a batch that is sent again. */
export interface BatchIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly firstSequence: number;
}

const batchHeader = 61;
const checksumAt = 17;
const checkedFrom = 21;
const nothing = -1;

/** A batch of message format 2, uncompressed. The time is only a hint: topics made by duobus use the broker's. */
export function encodeBatch(
  records: readonly OutboundRecord[],
  { producerId, producerEpoch, firstSequence }: BatchIdentity,
  nowMs: number,
): Buffer {
  const sizes = records.map(sizeOf);
  let size = batchHeader;
  for (const [index, body] of sizes.entries())
    size += sizeOfVarint(body + sizeOfVarint(index)) + body + sizeOfVarint(index);
  const bytes = Buffer.allocUnsafe(size);
  bytes.writeBigInt64BE(0n, 0);
  bytes.writeInt32BE(size - 12, 8);
  bytes.writeInt32BE(-1, 12); // leader epoch: not known
  bytes.writeInt8(2, 16);
  bytes.writeInt16BE(0, checkedFrom); // no compression, no transaction
  bytes.writeInt32BE(records.length - 1, 23);
  bytes.writeBigInt64BE(BigInt(nowMs), 27);
  bytes.writeBigInt64BE(BigInt(nowMs), 35);
  bytes.writeBigInt64BE(producerId, 43);
  bytes.writeInt16BE(producerEpoch, 51);
  bytes.writeInt32BE(firstSequence, 53);
  bytes.writeInt32BE(records.length, 57);
  let at = batchHeader;
  for (const [index, record] of records.entries())
    at = writeRecord(bytes, at, record, index, sizes[index] as number);
  bytes.writeUInt32BE(crc32c(bytes.subarray(checkedFrom)), checksumAt);
  return bytes;
}

/** Everything of a record but its length and its place in the batch. */
function sizeOf({ key, headers, body }: OutboundRecord): number {
  const names = Object.keys(headers);
  let size = 2 + sizeOfText(key) + sizeOfBytes(body) + sizeOfVarint(names.length); // attributes and time
  for (const name of names) size += sizeOfText(name) + sizeOfText(headers[name]);
  return size;
}

function writeRecord(
  bytes: Buffer,
  start: number,
  { key, headers, body }: OutboundRecord,
  index: number,
  size: number,
): number {
  let at = writeVarint(bytes, start, size + sizeOfVarint(index));
  bytes[at] = 0; // attributes
  bytes[at + 1] = 0; // time: that of the batch
  at = writeText(bytes, writeVarint(bytes, at + 2, index), key);
  at = writeVarint(bytes, at, body === null ? nothing : body.length);
  if (body !== null) {
    bytes.set(body, at);
    at += body.length;
  }
  const names = Object.keys(headers);
  at = writeVarint(bytes, at, names.length);
  for (const name of names) at = writeText(bytes, writeText(bytes, at, name), headers[name]);
  return at;
}

function sizeOfText(text: string | undefined): number {
  if (text === undefined) return 1;
  const length = Buffer.byteLength(text);
  return sizeOfVarint(length) + length;
}

function sizeOfBytes(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : sizeOfVarint(bytes.length) + bytes.length;
}

function writeText(bytes: Buffer, start: number, text: string | undefined): number {
  if (text === undefined) return writeVarint(bytes, start, nothing);
  const at = writeVarint(bytes, start, Buffer.byteLength(text));
  return at + bytes.write(text, at, 'utf8');
}

/** Lengths and counts, zigzag: far below 2^30. */
function sizeOfVarint(value: number): number {
  const zigzag = value < 0 ? -2 * value - 1 : 2 * value;
  if (zigzag < 0x80) return 1;
  if (zigzag < 0x4000) return 2;
  if (zigzag < 0x20_0000) return 3;
  return zigzag < 0x1000_0000 ? 4 : 5;
}

function writeVarint(bytes: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  while (rest > 0x7f) {
    bytes[at] = (rest & 0x7f) | 0x80;
    rest = Math.floor(rest / 128);
    at += 1;
  }
  bytes[at] = rest;
  return at + 1;
}
