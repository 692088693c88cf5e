import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeState, encodeState, freshState, type DeliveryState } from '../src/runtime/state.ts';
import { errorOf } from './support/error-of.ts';

const states: fc.Arbitrary<DeliveryState> = fc.record(
  {
    failed: fc.nat(),
    crashes: fc.nat(),
    cause: fc.constantFrom('first', 'retry', 'returned', 'takeover', 'redrive'),
    probing: fc.boolean(),
    redrives: fc.nat(),
    dead: fc.record(
      {
        reason: fc.constantFrom('attempts', 'rejected', 'crash', 'decode'),
        message: fc.string({ maxLength: 500 }),
        at: fc.nat(),
      },
      { noNullPrototype: true },
    ),
  },
  { noNullPrototype: true, requiredKeys: ['failed', 'crashes', 'cause', 'probing', 'redrives'] },
);

describe('delivery state', () => {
  it('comes back as it was written', () => {
    fc.assert(
      fc.property(states, (state) => assert.deepEqual(decodeState(encodeState(state)), state)),
    );
  });

  it('is fresh where there is none', () => {
    assert.deepEqual(decodeState(undefined), freshState);
  });

  it('does not grow with the message of an error', () => {
    const dead = { reason: 'attempts', message: 'x'.repeat(10_000), at: 1 } as const;
    assert.ok(encodeState({ ...freshState, dead }).length < 700);
  });

  it('refuses what it cannot read', () => {
    errorOf('DUOBUS_DECODE', () => decodeState('{"v":2}'));
    errorOf('DUOBUS_DECODE', () => decodeState('null'));
    errorOf('DUOBUS_DECODE', () => decodeState('nonsense'));
  });
});
