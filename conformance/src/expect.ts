import { BusError, type ErrorCode } from '@duobus/core';

/** A case was told something else than what is promised of certain documents. */
export class Differs extends Error {
  /** The numbers of those that make the difference. */
  readonly documents: readonly number[];

  constructor(message: string, documents: readonly number[]) {
    super(message);
    this.documents = documents;
  }
}

/** A case has waited for something that did not come. */
export class InVain extends Error {}

/** Throws with a sentence unless it holds. */
export function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`expected: ${what}`);
}

/** Compares as JSON: order of keys counts. */
export function expectSame(actual: unknown, wanted: unknown, what: string): void {
  const [got, want] = [JSON.stringify(actual), JSON.stringify(wanted)];
  if (got === want) return;
  const long = Array.isArray(actual) && Array.isArray(wanted) && want.length > longest;
  if (!long) throw new Error(`expected ${what} to be ${want}, got ${got}`);
  const [all, had] = [wanted.map(text), actual.map(text)];
  const [missing, surplus] = [without(all, had), without(had, all)];
  throw new Error(
    `expected ${what} to be ${all.length}, got ${had.length}: without ${few(missing)}, with ${few(surplus)} too many`,
  );
}

/** What is longer is told by its differences. */
const longest = 300;

const text = (value: unknown): string => JSON.stringify(value) ?? 'undefined';

const few = (values: readonly string[]): string =>
  `${values.slice(0, 5).join(', ') || 'none'}${values.length > 5 ? ' ...' : ''}`;

/** Compares numbers of documents, in their order. */
export function expectDocuments(
  actual: readonly number[],
  wanted: readonly number[],
  what: string,
): void {
  if (JSON.stringify(actual) === JSON.stringify(wanted)) return;
  const missing = without(wanted, actual);
  const surplus = without(actual, wanted);
  const at = wanted.findIndex((n, index) => n !== actual[index]);
  const told = [
    ...(missing.length > 0 ? [`without ${ranges(missing)}`] : []),
    ...(surplus.length > 0 ? [`with ${ranges(surplus)} too many`] : []),
  ];
  const misplaced = [actual[at] as number, wanted[at] as number];
  throw new Differs(
    `expected ${what} to be documents ${ranges(wanted)}, got them ${told.length > 0 ? told.join(' and ') : `in another order: ${misplaced[0]} where ${misplaced[1]} should be`}`,
    told.length > 0 ? [...missing, ...surplus] : misplaced,
  );
}

/** What is left of `all` when each of `some` is taken away once. */
function without<T>(all: readonly T[], some: readonly T[]): T[] {
  const rest = [...all];
  for (const one of some) {
    const at = rest.indexOf(one);
    if (at >= 0) rest.splice(at, 1);
  }
  return rest;
}

/** 1, 2, 3, 7 as '1-3, 7'. */
function ranges(values: readonly number[]): string {
  const parts: [number, number][] = [];
  for (const value of values) {
    const last = parts.at(-1);
    if (last !== undefined && last[1] + 1 === value) last[1] = value;
    else parts.push([value, value]);
  }
  const said = parts.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`));
  return said.length > 12 ? `${said.slice(0, 12).join(', ')} ...` : said.join(', ') || 'none';
}

/** The call must be refused with this code, or with a TypeError. */
export async function expectRefused(
  what: string,
  call: () => unknown,
  code: ErrorCode | 'TypeError',
): Promise<unknown> {
  let error: unknown;
  try {
    await call();
  } catch (refused) {
    error = refused;
  }
  if (error === undefined)
    throw new Error(`expected ${what} to be refused with ${code}, but it was not`);
  const matches = code === 'TypeError' ? error instanceof TypeError : BusError.is(error, code);
  if (!matches)
    throw new Error(
      `expected ${what} to be refused with ${code}, got ${BusError.is(error) ? error.code : ''} ${String(error)}`,
      { cause: error },
    );
  return error;
}

/** Whole numbers from `from` on. */
export function numbers(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}

export const sorted = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b);
