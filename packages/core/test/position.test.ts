import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { checkReceipt, comparePositions, formatPosition, parsePosition } from '../src/position.ts';
import { errorOf } from './support/error-of.ts';

const incarnation = '01a20adf-e54c-7372-9f11-034cb3357862';
const at = (partition: number, offset: number, time?: number): string =>
  formatPosition(incarnation, partition, { offset, time: time ?? 0 }, time !== undefined);

describe('positions', () => {
  it('are text of a known form', () => {
    assert.equal(at(3, 42), `v1.${incarnation}.3.42`);
    assert.equal(at(3, 42, 1700), `v1.${incarnation}.3.42-1700`);
  });

  it('come back as they were', () => {
    fc.assert(
      fc.property(
        fc.uuid(),
        fc.nat(1023),
        fc.maxSafeNat(),
        fc.maxSafeNat(),
        fc.boolean(),
        (of, partition, offset, time, needsTime) => {
          const parsed = parsePosition(formatPosition(of, partition, { offset, time }, needsTime));
          assert.deepEqual(parsed, {
            incarnation: of,
            partition,
            place: { offset, time: needsTime ? time : 0 },
          });
        },
      ),
    );
  });

  for (const text of [
    '',
    'v1',
    'v1.x.0',
    'v1.x.0.',
    'v1.x.-1.0',
    'v1.x.0.1.2',
    'v1.x.00.1',
    'v1.x.0.01',
    'v1.x.0.9007199254740993',
    'v1..0.1',
    'v1.x.0.1-',
    ' v1.x.0.1',
    'v1.x.0.1\n',
    'earliest',
  ]) {
    it(`refuse '${text}' and say where to get one`, () => {
      assert.match(
        errorOf('DUOBUS_INVALID', () => parsePosition(text)).message,
        /delivery\.position/,
      );
    });
  }

  it('refuse what is no string', () => {
    for (const value of [undefined, null, 7, {}])
      errorOf('DUOBUS_INVALID', () => parsePosition(value));
  });

  it('say that a version is not known', () => {
    assert.match(
      errorOf('DUOBUS_INVALID', () => parsePosition('v2.x.0.1')).message,
      /version 2.*upgrade/,
    );
  });

  it('have an order within a partition, by number', () => {
    assert.ok(comparePositions(at(0, 9), at(0, 10)) < 0);
    assert.ok(comparePositions(at(0, 10), at(0, 9)) > 0);
    assert.equal(comparePositions(at(0, 9, 5), at(0, 9, 6)), 0);
  });

  it('have no order between partitions and topics', () => {
    assert.throws(() => comparePositions(at(0, 1), at(1, 1)), {
      name: 'TypeError',
      message: /partitions 0 and 1/,
    });
    assert.throws(() => comparePositions(at(0, 1), 'v1.other.0.1'), {
      name: 'TypeError',
      message: /topic/,
    });
    errorOf('DUOBUS_INVALID', () => comparePositions(at(0, 1), 'x'));
  });
});

describe('checkReceipt', () => {
  const receipt = { v: 1, topic: 'orders', id: '1', partition: 0, time: 5 };

  it('takes what publish resolved to, also after JSON', () => {
    const withPosition = { ...receipt, position: at(0, 1) };
    assert.deepEqual(
      checkReceipt(JSON.parse(JSON.stringify(withPosition)), 'orders'),
      withPosition,
    );
    assert.deepEqual(checkReceipt(receipt, 'orders'), receipt);
  });

  const broken: readonly (readonly [string, unknown])[] = [
    ['null', null],
    ['text', 'x'],
    ['no version', { ...receipt, v: undefined }],
    ['another version', { ...receipt, v: 2 }],
    ['no id', { ...receipt, id: '' }],
    ['no partition', { ...receipt, partition: undefined }],
    ['a partition below 0', { ...receipt, partition: -1 }],
    ['no time', { ...receipt, time: Number.NaN }],
    ['another topic', { ...receipt, topic: 'other' }],
    ['a broken position', { ...receipt, position: 'x' }],
    ['a position in another partition', { ...receipt, position: at(1, 1) }],
  ];

  for (const [what, value] of broken) {
    it(`refuses a receipt with ${what}`, () => {
      errorOf('DUOBUS_INVALID', () => checkReceipt(value, 'orders'));
    });
  }
});
