import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError, errorCodes } from '../src/errors.ts';

describe('BusError', () => {
  it('is known by its code, whichever copy of the package made it', async () => {
    const copyOf: string = '../src/errors.ts?copy=1';
    const copy = (await import(copyOf)) as {
      BusError: typeof BusError;
    };
    const error = new copy.BusError('DUOBUS_CLOSED', 'closed');
    assert.ok(!(error instanceof BusError));
    assert.ok(BusError.is(error));
    assert.ok(BusError.is(error, 'DUOBUS_CLOSED'));
    assert.ok(!BusError.is(error, 'DUOBUS_TIMEOUT'));
  });

  it('is not what only looks like it', () => {
    for (const value of [
      undefined,
      null,
      'DUOBUS_CLOSED',
      new Error('x'),
      { code: 'DUOBUS_CLOSED' },
    ])
      assert.ok(!BusError.is(value));
  });

  it('has no cause and no outcome unless given', () => {
    const error = new BusError('DUOBUS_BUG', 'x');
    assert.ok(!('cause' in error));
    assert.equal(error.outcome, undefined);
    assert.equal(error.retryable, false);
    assert.deepEqual(error.context, {});
  });

  it('has each code once', () => {
    assert.equal(new Set(errorCodes).size, errorCodes.length);
  });
});
