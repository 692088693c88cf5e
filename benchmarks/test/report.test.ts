import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compare, table } from '../report.ts';
import type { RoundFigures } from '../round.ts';

const figures = (publishPerSecond: number, publishCpuMsPer1000: number): RoundFigures => ({
  publishPerSecond,
  publishCpuMsPer1000,
  consumePerSecond: 10,
  consumeCpuMsPer1000: 10,
  singleP50Ms: 1,
  singleP99Ms: 2,
  maxRssMb: 100,
});

describe('compare', () => {
  it('takes medians, and ratios within rounds', () => {
    const [publish, cpu] = compare(
      [figures(100, 50), figures(300, 50), figures(200, 50)],
      [figures(200, 25), figures(300, 25), figures(400, 25)],
    );
    assert.deepEqual([publish?.ours, publish?.raw, publish?.ratio], [200, 300, 0.5]);
    assert.deepEqual([cpu?.ours, cpu?.raw, cpu?.ratio, cpu?.more], [0.05, 0.025, 2, false]);
  });

  it('has no ratio where there is no raw client', () => {
    for (const { raw, ratio } of compare([figures(1, 1)], undefined))
      assert.deepEqual([raw, ratio], [undefined, undefined]);
  });
});

describe('table', () => {
  it('shows both sides and the ratio', () => {
    const text = table(compare([figures(150, 50)], [figures(300, 25)]), 'amqplib');
    assert.match(text, /^median +duobus +amqplib +duobus \/ raw +better is$/m);
    assert.match(text, /^publish, documents\/s +150 +300 +0\.50 +more$/m);
    assert.match(text, /^publish, CPU s per 1000 documents +0\.0500 +0\.0250 +2\.00 +less$/m);
  });

  it('shows duobus alone where there is no raw client', () => {
    assert.match(
      table(compare([figures(150, 50)], undefined), undefined),
      /^publish, documents\/s +150$/m,
    );
  });
});
