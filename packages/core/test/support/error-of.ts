import assert from 'node:assert/strict';
import { BusError } from '../../src/errors.ts';
import type { ErrorCode } from '../../src/errors.ts';

/** What `run` throws, which must be a BusError with that code. */
export function errorOf(code: ErrorCode, run: () => unknown): BusError {
  try {
    run();
  } catch (error) {
    assert.ok(BusError.is(error), `expected a BusError, got ${String(error)}`);
    assert.equal(error.code, code);
    return error;
  }
  throw new assert.AssertionError({ message: `expected ${code}, nothing was thrown` });
}
