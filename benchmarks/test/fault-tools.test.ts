import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readEventLog } from '../faults/event-log.ts';
import { parseFaultOptions } from '../faults/fault-options.ts';
import { between, seededRandom } from '../faults/random.ts';
import { longestGap } from '../faults/wound.ts';

describe('readEventLog', () => {
  it('joins beginnings and ends, and leaves open what its process did not end', () => {
    const log = '{"id":"x","beganMs":1}\n{"id":"y","beganMs":2}\n{"n":0,"endedMs":5}\n';
    assert.deepEqual(
      readEventLog(log).map(({ id, endedMs }) => [id, endedMs]),
      [
        ['x', 5],
        ['y', undefined],
      ],
    );
  });
  it('ignores a last line that was cut off, and refuses any other that is broken', () => {
    assert.equal(readEventLog('{"id":"x","beganMs":1}\n{"id":"y","be').length, 1);
    assert.throws(() => readEventLog('{"id":"x","be\n{"id":"y","beganMs":2}\n'), SyntaxError);
    assert.throws(() => readEventLog('{"n":3,"endedMs":2}\n'), SyntaxError);
  });
});

describe('parseFaultOptions', () => {
  it('knows the fault runs and the adapters each is for', () => {
    assert.equal(parseFaultOptions(['broker-kill']).adapter, 'rabbitmq');
    assert.equal(parseFaultOptions(['rebalance-storm']).adapter, 'kafka');
    assert.equal(parseFaultOptions(['crash-document', '--adapter', 'kafka']).order, 'key');
    assert.equal(parseFaultOptions(['consumer-kills', '--adapter', 'redis-streams']).order, 'none');
    assert.equal(parseFaultOptions(['broker-kill', '--seed', '7']).seed, 7);
    assert.equal(parseFaultOptions(['broker-kill', '--bus', 'data']).order, 'key');
    const { rate, documents } = parseFaultOptions(['leader-kill', '--adapter', 'kafka']);
    assert.deepEqual([rate, documents], [1_500, 200_000]);
    const events = parseFaultOptions(['consumer-kills', '--adapter', 'kafka', '--bus', 'event']);
    assert.deepEqual([events.bus, events.order], ['event', 'none']);
  });
  it('refuses what it does not understand', () => {
    for (const args of [
      [],
      ['nonsense'],
      ['broker-kill', 'more'],
      ['broker-kill', '--rate', '0'],
      ['broker-kill', '--unknown', '1'],
      ['leader-kill', '--adapter', 'redis-streams'],
      ['rebalance-storm', '--bus', 'event'],
      ['consumer-kills', '--adapter', 'kafka'],
      ['broker-kill', '--adapter', 'kafka', '--order', 'none'],
    ])
      assert.throws(() => parseFaultOptions(args), TypeError, args.join(' '));
  });
});

describe('longestGap', () => {
  const wound = { fault: 'kill', fromMs: 100, upMs: 150 };
  it('begins at the wound, and is counted whole where it ends after the next one', () => {
    assert.equal(longestGap(wound, [90, 110, 130, 180], 1_000), 50);
    assert.equal(longestGap(wound, [400, 110, 420, 900], 300), 290);
    assert.equal(longestGap(wound, [], 300), 0);
  });
});

describe('seededRandom', () => {
  it('gives the same numbers for the same seed, and others for another', () => {
    const draw = (seed: number): number[] => {
      const random = seededRandom(seed);
      return Array.from({ length: 50 }, () => between(random, 1, 6));
    };
    assert.deepEqual(draw(42), draw(42));
    assert.notDeepEqual(draw(42), draw(43));
    assert.deepEqual([...new Set(draw(42))].toSorted(), [1, 2, 3, 4, 5, 6]);
  });
});
