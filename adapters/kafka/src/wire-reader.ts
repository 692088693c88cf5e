import { BusError } from '@duobus/core/driver';

/** Bytes that have been read, for telling whether the next ones are the same. */
export class Seen {
  at = 0;
  length = -1;
  value: string | Buffer | null = null;
}

/** Reads Kafka's wire format. Every read checks that the bytes are there. */
export class WireReader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, at = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get position(): number {
    return this.#at;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#take(1));
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  /** 64 bits as a number: offsets and times stay far below 2^53. */
  int64(): number {
    const at = this.#take(8);
    return this.#bytes.readInt32BE(at) * 4_294_967_296 + this.#bytes.readUInt32BE(at + 4);
  }

  uvarint(): number {
    const first = this.#bytes[this.#at] as number;
    if (first < 0x80 && this.#at < this.#end) {
      this.#at += 1;
      return first;
    }
    let value = 0;
    let scale = 1;
    for (let index = 0; index < 10; index += 1) {
      const byte = this.#bytes[this.#take(1)] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw malformed('a number of variable length is too long');
  }

  /** Zigzag; beyond 2^53 it loses precision, which only times of other programs could reach. */
  varint(): number {
    const raw = this.uvarint();
    return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
  }

  string(): string | null {
    const length = this.int16();
    return length < 0 ? null : this.#text(length);
  }

  compactString(): string | null {
    const length = this.uvarint() - 1;
    return length < 0 ? null : this.#text(length);
  }

  /** Bytes with a length of variable size; a view, no copy. */
  varBytes(): Buffer | null {
    const length = this.varint();
    return length < 0 ? null : this.bytes(length);
  }

  /** Text with a length of variable size, without a buffer in between. */
  varText(): string | null {
    const length = this.varint();
    return length < 0 ? null : this.#text(length);
  }

  /** Text with a length of variable size, or a view of the bytes if they are no UTF-8. What is the same as `seen` is not
   *  decoded again: most headers repeat from record to record. */
  varTextOrBytes(seen: Seen): string | Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    const at = this.#take(length);
    if (length !== seen.length || !this.#same(at, seen.at, length)) {
      const text = this.#bytes.toString('utf8', at, at + length);
      // The replacement character: either not UTF-8, or somebody's own.
      seen.value = text.includes('\ufffd') ? this.#bytes.subarray(at, at + length) : text;
      seen.at = at;
      seen.length = length;
    }
    return seen.value;
  }

  bytes(length: number): Buffer {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  skip(length: number): void {
    this.#take(length);
  }

  array<T>(read: () => T): T[] {
    return this.#repeat(this.int32(), read);
  }

  compactArray<T>(read: () => T): T[] {
    return this.#repeat(this.uvarint() - 1, read);
  }

  /** Skips the tagged fields that end every structure of the newer versions. */
  tags(): void {
    for (let count = this.uvarint(); count > 0; count -= 1) {
      this.uvarint();
      this.skip(this.uvarint());
    }
  }

  #text(length: number): string {
    const at = this.#take(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  #same(a: number, b: number, length: number): boolean {
    const bytes = this.#bytes;
    for (let index = 0; index < length; index += 1)
      if (bytes[a + index] !== bytes[b + index]) return false;
    return true;
  }

  #repeat<T>(count: number, read: () => T): T[] {
    const items: T[] = [];
    for (let index = 0; index < count; index += 1) items.push(read());
    return items;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length < 0 || at + length > this.#end)
      throw malformed(`${length} bytes are needed, ${this.#end - at} are there`);
    this.#at = at + length;
    return at;
  }
}

function malformed(what: string): BusError {
  return new BusError('DUOBUS_DECODE', `bytes from Kafka cannot be read: ${what}`);
}
