/**
 * The partition of a key: murmur2 over its UTF-8 bytes, as Java's Kafka client, so that publishers in other languages
 * send a key to the same partition.
 */
export function partitionOf(key: string, partitions: number): number {
  if (partitions === 1) return 0;
  return (murmur2(key) & 0x7fffffff) % partitions;
}

const seed = 0x9747b28c;
const m = 0x5bd1e995;

function murmur2(key: string): number {
  const bytes = Buffer.from(key);
  const length = bytes.length;
  let hash = seed ^ length;
  let index = 0;
  for (; index + 4 <= length; index += 4) {
    let k = Math.imul(bytes.readInt32LE(index), m);
    k ^= k >>> 24;
    hash = Math.imul(hash, m) ^ Math.imul(k, m);
  }
  const rest = length - index;
  if (rest === 3) hash ^= byteAt(bytes, index + 2) << 16;
  if (rest >= 2) hash ^= byteAt(bytes, index + 1) << 8;
  if (rest >= 1) hash = Math.imul(hash ^ byteAt(bytes, index), m);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, m);
  return hash ^ (hash >>> 15);
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] as number;
}
