import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { casesTable, markdown, stalenessTable } from '../src/index.ts';
import { report, result } from './support/reports.ts';

const cases = [
  result('fan-out', ['E1', 'E9'], 'pass'),
  result('topics-apart', ['E1', 'C1'], 'fail', { error: 'Promised: much\nSeen: ```little```' }),
  result('offset-reset', ['D5'], 'unsupported'),
];
const latency = { count: 200, p50: 0.4, p99: 2.15, max: 3 };
const page = markdown(
  report(cases, { versions: { broker: '2.11' }, staleness: { event: latency } }),
);

describe('markdown', () => {
  it('is a matrix of the rules and their cases', () => {
    assert.match(page, /^# nats: conformance\n\n1 of 2 cases passed \(seed 7, broker 2\.11\)\.$/m);
    assert.match(page, /^\| C1 \| 0 of 1 \| `topics-apart` \*\*fail\*\* \|$/m);
    assert.match(page, /^\| E1 \| 1 of 2 \| `fan-out`, `topics-apart` \*\*fail\*\* \|$/m);
    assert.match(page, /^\| D5 \| not supported \| `offset-reset` \*\*unsupported\*\* \|$/m);
    assert.ok(!page.includes('| D6 |'), 'a rule that no case was about has no line');
  });

  it('has a line for each case, and what was measured', () => {
    assert.match(page, /^\| Case \| Rules \| nats 2\.11 \|$/m);
    assert.match(page, /^\| `fan-out` \| E1 E9 \| pass \|$/m);
    assert.match(page, /^\| nats 2\.11 \| event \| 0\.4 \| 2\.15 \| 3 \| 200 \|$/m);
  });

  it('puts adapters side by side, also those that were not asked or not measured', () => {
    const other = report(cases.slice(2), { adapter: 'sqlite' });
    const both = [other, report(cases, { staleness: { data: latency } })];
    assert.match(casesTable(both), /^\| `fan-out` \| E1 E9 \| not run \| pass \|$/m);
    assert.match(casesTable(both), /^\| `offset-reset` \| D5 \| unsupported \| unsupported \|$/m);
    assert.equal(stalenessTable(both).split('\n').length, 3);
    const { staleness: _, ...older } = other;
    assert.equal(stalenessTable([older]).split('\n').length, 2);
  });

  it('says of what failed why, in a fence that the text cannot end', () => {
    assert.match(
      page,
      /^### topics-apart\n\n`````text\nPromised: much\nSeen: ```little```\n`````$/m,
    );
    assert.ok(!markdown(report(cases.slice(0, 1))).includes('What failed'));
  });

  it('holds rows of as many cells as their head has', () => {
    const rows = page.split('\n').filter((line) => line.startsWith('|'));
    let width = 0;
    for (const [index, row] of rows.entries()) {
      const cells = row.split('|').length;
      if (rows[index + 1]?.startsWith('|---')) width = cells;
      assert.equal(cells, width, row);
    }
  });
});
