import { BusError, type ErrorCode } from '@duobus/core';

/** Throws with a sentence unless it holds. */
export function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`expected: ${what}`);
}

/** Compares as JSON: order of keys counts. */
export function expectSame(actual: unknown, wanted: unknown, what: string): void {
  const [got, want] = [JSON.stringify(actual), JSON.stringify(wanted)];
  if (got !== want) throw new Error(`expected ${what} to be ${want}, got ${got}`);
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
