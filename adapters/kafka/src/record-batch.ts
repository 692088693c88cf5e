import { BusError, type LogRecord } from '@duobus/core/driver';
import { Seen, WireReader } from './wire-reader.ts';

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** Turns the compressed records of a batch back; undefined where the codec is not known. */
export type Decompress = (codec: number, bytes: Buffer) => Promise<Buffer> | undefined;

export interface DecodedBatches {
  /** Header values and bodies are views of the bytes: the binding reads them. */
  readonly records: readonly LogRecord[];
  /** Where to read on: behind everything decoded, also behind what holds no records for a reader. */
  readonly next: number;
  /** What stopped decoding before the end, at `next`. */
  readonly error: BusError | undefined;
}

const header = 61;
const magicAt = 16;
const lastDeltaAt = 23;
const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

/** Decodes the batches of one partition from `from` on. A batch cut off at the end (Kafka cuts at a number of bytes)
 *  is left for the next fetch. Control batches, aborted transactions and records before `from` are passed over. */
export async function decodeBatches(
  bytes: Buffer,
  from: number,
  aborted: readonly AbortedTransaction[],
  decompress: Decompress,
): Promise<DecodedBatches> {
  const records: LogRecord[] = [];
  const transactions = new Aborted(aborted);
  let next = from;
  for (let at = 0; bytes.length - at >= header; ) {
    const end = at + 12 + bytes.readInt32BE(at + 8);
    if (end > bytes.length) break;
    try {
      const batch = readHeader(bytes, at, end);
      if (transactions.counts(batch) && batch.lastOffset >= from) {
        const content =
          batch.codec === 0
            ? bytes.subarray(at + header, end)
            : await unpack(batch, bytes.subarray(at + header, end), decompress);
        readRecords(batch, content, from, records);
      }
      next = Math.max(next, batch.lastOffset + 1);
    } catch (error) {
      return { records, next, error: unreadable(error, next) };
    }
    at = end;
  }
  return { records, next, error: undefined };
}

/** Where to read on after these batches, without decoding them. */
export function batchesEnd(bytes: Buffer, from: number): number {
  let next = from;
  for (let at = 0; bytes.length - at >= header; ) {
    const end = at + 12 + bytes.readInt32BE(at + 8);
    if (end > bytes.length || end - at < header) break;
    const first = bytes.readInt32BE(at) * 4_294_967_296 + bytes.readUInt32BE(at + 4);
    next = Math.max(next, first + bytes.readInt32BE(at + lastDeltaAt) + 1);
    at = end;
  }
  return next;
}

interface BatchHeader {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly codec: number;
  readonly appendTime: number | undefined;
  readonly firstTime: number;
  readonly transactional: boolean;
  readonly control: boolean;
  readonly producerId: number;
  readonly count: number;
}

function readHeader(bytes: Buffer, at: number, end: number): BatchHeader {
  if (end - at < header)
    throw new BusError(
      'DUOBUS_DECODE',
      `a batch of ${end - at} bytes is shorter than its own header`,
    );
  const magic = bytes.readInt8(at + magicAt);
  if (magic !== 2) {
    throw new BusError(
      'DUOBUS_NOT_SUPPORTED',
      `the batch has message format ${magic}, only format 2 (Kafka 0.11 and later) can be read`,
    );
  }
  const reader = new WireReader(bytes, at, end);
  const firstOffset = reader.int64();
  reader.skip(4 + 4 + 1 + 4); // length, leader epoch, magic, checksum
  const attributes = reader.int16();
  const lastOffset = firstOffset + reader.int32();
  const firstTime = reader.int64();
  const maxTime = reader.int64();
  const producerId = reader.int64();
  reader.skip(2 + 4); // producer epoch, sequence
  return {
    firstOffset,
    lastOffset,
    codec: attributes & 0x07,
    appendTime: (attributes & 0x08) === 0 ? undefined : maxTime,
    firstTime,
    transactional: (attributes & 0x10) !== 0,
    control: (attributes & 0x20) !== 0,
    producerId,
    count: reader.int32(),
  };
}

async function unpack(batch: BatchHeader, bytes: Buffer, decompress: Decompress): Promise<Buffer> {
  const unpacked = decompress(batch.codec, bytes);
  if (unpacked !== undefined) return await unpacked;
  const codec = codecs[batch.codec] ?? String(batch.codec);
  throw new BusError(
    'DUOBUS_NOT_SUPPORTED',
    `the batch is compressed with ${codec}, for which kafkajs has no codec: register one in its CompressionCodecs, or let the publisher use gzip or none`,
  );
}

function readRecords(batch: BatchHeader, bytes: Buffer, from: number, records: LogRecord[]): void {
  const reader = new WireReader(bytes);
  const seen: SeenHeader[] = [];
  for (let index = 0; index < batch.count; index += 1) {
    const length = reader.varint();
    const end = reader.position + length;
    reader.skip(1); // attributes
    const timeDelta = reader.varint();
    const offset = batch.firstOffset + reader.varint();
    if (offset < from) {
      reader.skip(end - reader.position);
      continue;
    }
    const time = batch.appendTime ?? batch.firstTime + timeDelta;
    records.push({
      offset,
      time: Math.max(0, time),
      key: reader.varText() ?? undefined,
      body: reader.varBytes(),
      headers: readHeaders(reader, seen),
    });
    if (reader.position !== end)
      throw new BusError('DUOBUS_DECODE', `record ${offset} does not end where it says`);
  }
}

/** Inherits nothing, as names come from outside; made by a constructor, it is far faster than Object.create(null). */
const Headers = function () {} as unknown as new () => Record<string, unknown>;
Headers.prototype = Object.create(null) as object;

/** What the last record had in one place. */
interface SeenHeader {
  readonly name: Seen;
  readonly value: Seen;
}

/** A header given more than once becomes an array. */
function readHeaders(reader: WireReader, seen: SeenHeader[]): Record<string, unknown> {
  const headers = new Headers();
  const count = reader.varint();
  for (let index = 0; index < count; index += 1) {
    const last = (seen[index] ??= { name: new Seen(), value: new Seen() });
    const name = String(reader.varTextOrBytes(last.name) ?? '');
    const value = reader.varTextOrBytes(last.value);
    const known = headers[name];
    if (known === undefined) headers[name] = value;
    else if (Array.isArray(known)) known.push(value);
    else headers[name] = [known, value];
  }
  return headers;
}

/** Which producers' transactions are aborted at the batch that is being read. */
class Aborted {
  readonly #waiting: AbortedTransaction[];
  readonly #current = new Set<number>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#waiting = aborted.toSorted((a, b) => b.firstOffset - a.firstOffset);
  }

  /** False for batches that are not for readers. */
  counts(batch: BatchHeader): boolean {
    for (
      let next = this.#waiting.at(-1);
      next !== undefined && next.firstOffset <= batch.lastOffset;
      next = this.#waiting.at(-1)
    ) {
      this.#current.add(next.producerId);
      this.#waiting.pop();
    }
    if (batch.control) {
      this.#current.delete(batch.producerId); // commit or abort: either ends the producer's transaction
      return false;
    }
    return !(batch.transactional && this.#current.has(batch.producerId));
  }
}

function unreadable(error: unknown, offset: number): BusError {
  const code = BusError.is(error) ? error.code : 'DUOBUS_DECODE';
  const reason = error instanceof Error ? error.message : String(error);
  return new BusError(code, `the batch at offset ${offset} cannot be read: ${reason}`, {
    cause: error,
    context: { offset },
  });
}
