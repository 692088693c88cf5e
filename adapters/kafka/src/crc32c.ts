const polynomial = 0x82f63b78;

/** Four tables, so that four bytes are folded in at a time. */
const tables = makeTables();
const [t0, t1, t2, t3] = tables as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];

/** CRC-32C (Castagnoli), with which Kafka protects a batch; node:zlib only has CRC-32. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  let at = 0;
  for (const whole = bytes.length - (bytes.length % 4); at < whole; at += 4) {
    const low =
      crc ^
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24));
    crc =
      (t3[low & 0xff] as number) ^
      (t2[(low >>> 8) & 0xff] as number) ^
      (t1[(low >>> 16) & 0xff] as number) ^
      (t0[low >>> 24] as number);
  }
  for (; at < bytes.length; at += 1)
    crc = (t0[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function makeTables(): readonly Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit += 1)
      value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ polynomial;
    return value >>> 0;
  });
  const all = [first];
  for (let table = 1; table < 4; table += 1) {
    const before = all[table - 1] as Uint32Array;
    all.push(before.map((value) => (first[value & 0xff] as number) ^ (value >>> 8)));
  }
  return all;
}
