import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { steps } from '../steps.ts';
import { stepsTable } from '../steps-table.ts';

describe('stepsTable', () => {
  const green = steps.map((_, index) => (index === 0 ? ['topic.record.event', 'other'] : []));
  const lines = stepsTable(green).split('\n');

  it('has a line for each step, in their order', () => {
    assert.equal(lines.length, steps.length + 2);
    for (const [index, { title }] of steps.entries())
      assert.ok(lines[index + 2]?.startsWith(`| ${index + 1}. ${title} | `), lines[index + 2]);
  });

  it('says what to write and what passes then', () => {
    assert.equal(
      lines[2],
      '| 1. Topics | `QueueDriver.ensureTopic`, `topics`, `alterTopic` | 2 | `topic.record.event`, `other` |',
    );
  });
});
