import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type LogRecord, type Place, Readings } from '../src/driver.ts';

const at = (offset: number): Place => ({ offset, time: 0 });
const record = (offset: number): LogRecord => ({
  ...at(offset),
  key: undefined,
  headers: {},
  body: null,
});

function setup() {
  const told: unknown[] = [];
  const looked: number[] = [];
  const readings = new Readings(
    {
      records: (partition, token, records) =>
        told.push(['records', partition, token, records.map(({ offset }) => offset)]),
      trimmed: (partition, token, { first }) =>
        told.push(['trimmed', partition, token, first.offset]),
      failed: (error) => told.push(error),
    },
    ({ partition }) => looked.push(partition),
  );
  const reading = (partition: number) => {
    const found = readings.get(partition);
    assert.ok(found);
    return found;
  };
  return { readings, told, looked, reading };
}

describe('Readings', () => {
  it('lets one fetch wait per partition', () => {
    const { readings, told, looked, reading } = setup();
    readings.start(3, 7, at(5));
    assert.deepEqual(readings.due(reading(3)), at(5));
    readings.found(reading(3), [record(5), record(6)], at(7));
    assert.deepEqual(told, [['records', 3, 7, [5, 6]]]);
    assert.equal(readings.due(reading(3)), undefined);
    readings.taken(3, 7);
    assert.deepEqual(readings.due(reading(3)), at(7));
    assert.deepEqual(looked, [3, 3]);
  });

  it('tells nothing where nothing was found, and reads on from there', () => {
    const { readings, told, reading } = setup();
    readings.start(0, 1, at(5));
    readings.found(reading(0), [], at(9));
    assert.deepEqual(told, []);
    assert.deepEqual(readings.due(reading(0)), at(9));
  });

  it('reads nothing of what is closed', () => {
    const { readings, reading } = setup();
    readings.start(0, 1, at(0));
    readings.flow(0, 1, false);
    assert.equal(readings.due(reading(0)), undefined);
    readings.flow(0, 1, true);
    assert.deepEqual(readings.due(reading(0)), at(0));
  });

  it('hears nothing of another token', () => {
    const { readings, looked, reading } = setup();
    readings.start(0, 2, at(0));
    readings.flow(0, 1, false);
    readings.found(reading(0), [record(0)], at(1));
    readings.taken(0, 1);
    assert.equal(readings.due(reading(0)), undefined);
    assert.deepEqual(looked, [0]);
  });

  it('hands out nothing of what was stopped or started anew', () => {
    const { readings, told, reading } = setup();
    readings.start(0, 1, at(0));
    const before = reading(0);
    readings.start(0, 2, at(4));
    readings.found(before, [record(0)], at(1));
    readings.trimmed(before, { first: at(2), end: at(3) });
    assert.deepEqual(readings.due(reading(0)), at(4));
    const stopped = reading(0);
    readings.stop(0);
    readings.found(stopped, [record(4)], at(5));
    assert.equal(readings.due(stopped), undefined);
    assert.deepEqual(told, []);
  });

  it('stands where retention has passed it', () => {
    const { readings, told, reading } = setup();
    readings.start(0, 1, at(0));
    readings.trimmed(reading(0), { first: at(2), end: at(3) });
    assert.deepEqual(told, [['trimmed', 0, 1, 2]]);
    assert.equal(readings.due(reading(0)), undefined);
    readings.start(0, 1, at(2));
    assert.deepEqual(readings.due(reading(0)), at(2));
  });
});
