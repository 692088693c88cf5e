/** A member of a JSON object, and where its value is. */
export interface Member {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
/** Strings up to so many bytes are looked through faster here than by a call into the runtime. */
const short = 32;

/**
 * The members of the JSON object that `json` is, without parsing their values: so that a document keeps its bytes, and
 * is parsed once, by its codec. Checks only what it needs to find the values.
 * @throws SyntaxError
 */
export function membersOf(json: Buffer): readonly Member[] {
  const found: Member[] = [];
  let at = skipSpace(json, json[0] === 0xef && json[1] === 0xbb && json[2] === 0xbf ? 3 : 0);
  at = expect(json, at, openBrace);
  if (json[at] !== closeBrace) {
    for (;;) {
      const nameEnd = stringEnd(json, at);
      const name = nameOf(json, at, nameEnd);
      const start = expect(json, skipSpace(json, nameEnd), colon);
      const end = valueEnd(json, start);
      found.push({ name, start, end });
      at = skipSpace(json, end);
      if (json[at] === closeBrace) break;
      at = expect(json, at, comma);
    }
  }
  if (skipSpace(json, at + 1) !== json.length) throw unexpected(json, at + 1);
  return found;
}

function nameOf(json: Buffer, start: number, end: number): string {
  const text = json.toString('utf8', start, end);
  return text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1);
}

/** Where the value that begins at `start` ends. Checks only what it needs to find that out.
 *  @throws SyntaxError */
export function valueEnd(json: Buffer, start: number): number {
  const first = json[start];
  if (first === quote) return stringEnd(json, start);
  if (isOpen(first)) return nestedEnd(json, start);
  let at = start;
  while (at < json.length && !isSpace(json[at]) && json[at] !== comma && !isClose(json[at]))
    at += 1;
  if (at === start) throw unexpected(json, at);
  return at;
}

function nestedEnd(json: Buffer, start: number): number {
  let depth = 0;
  for (let at = start; at < json.length; at += 1) {
    const byte = json[at];
    if (byte === quote) at = stringEnd(json, at) - 1;
    else if (isOpen(byte)) depth += 1;
    else if (isClose(byte) && --depth === 0) return at + 1;
  }
  throw unexpected(json, json.length);
}

function stringEnd(json: Buffer, start: number): number {
  if (json[start] !== quote) throw unexpected(json, start);
  let at = start + 1;
  for (const near = Math.min(at + short, json.length); at < near; at += 1) {
    const byte = json[at];
    if (byte === quote) return at + 1;
    if (byte === backslash) at += 1;
  }
  for (;;) {
    const found = json.indexOf(quote, at);
    if (found < 0) throw unexpected(json, json.length);
    let slashes = 0;
    while (found - slashes > at && json[found - slashes - 1] === backslash) slashes += 1;
    if (slashes % 2 === 0) return found + 1;
    at = found + 1;
  }
}

/** Past `byte` and the space behind it. */
function expect(json: Buffer, at: number, byte: number): number {
  if (json[at] !== byte) throw unexpected(json, at);
  return skipSpace(json, at + 1);
}

function skipSpace(json: Buffer, from: number): number {
  let at = from;
  while (at < json.length && isSpace(json[at])) at += 1;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isOpen(byte: number | undefined): boolean {
  return byte === openBrace || byte === 0x5b;
}

function isClose(byte: number | undefined): boolean {
  return byte === closeBrace || byte === 0x5d;
}

function unexpected(json: Buffer, at: number): SyntaxError {
  return new SyntaxError(at < json.length ? `byte ${at} is unexpected` : 'it ends too early');
}
