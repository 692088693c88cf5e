import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** Offsets from `from` up to, and without, `to`. */
export interface Run {
  from: number;
  to: number;
}

/** Below this, packing costs more than it saves. */
const packFrom = 192;
const packed = 'z';

/** Ascending runs as text: distances and lengths as varints, deflated where that helps. Runs that touch are joined. */
export function encodeRuns(runs: readonly Run[], base: number): string {
  const bytes: number[] = [];
  let at = base;
  for (let index = 0; index < runs.length; index += 1) {
    const { from } = runs[index] as Run;
    let { to } = runs[index] as Run;
    while (runs[index + 1]?.from === to) {
      index += 1;
      ({ to } = runs[index] as Run);
    }
    pushVarint(bytes, from - at);
    pushVarint(bytes, to - from);
    at = to;
  }
  const plain = Buffer.from(bytes);
  if (plain.length < packFrom) return plain.toString('base64url');
  const small = deflateRawSync(plain);
  return small.length < plain.length
    ? packed + '.' + small.toString('base64url')
    : plain.toString('base64url');
}

export function decodeRuns(text: string, base: number): Run[] {
  const isPacked = text.startsWith(`${packed}.`);
  const raw = Buffer.from(isPacked ? text.slice(2) : text, 'base64url');
  const bytes = isPacked ? inflateRawSync(raw) : raw;
  const runs: Run[] = [];
  let at = base;
  for (let place = 0; place < bytes.length; ) {
    const gap = readVarint(bytes, place);
    const length = readVarint(bytes, gap.end);
    const from = at + gap.value;
    at = from + length.value;
    runs.push({ from, to: at });
    place = length.end;
  }
  return runs;
}

/** Offsets go beyond 32 bits, so that no shifts are used. */
function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
}

function readVarint(
  bytes: Buffer,
  start: number,
): { readonly value: number; readonly end: number } {
  let value = 0;
  let factor = 1;
  for (let at = start; ; at += 1) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * factor;
    factor *= 0x80;
    if (byte < 0x80) return { value, end: at + 1 };
  }
}
