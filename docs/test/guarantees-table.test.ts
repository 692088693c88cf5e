import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CaseResult, type Report, rules } from '@duobus/conformance';
import { guarantees, guaranteesTable, promisesTable } from '../guarantees-table.ts';

const result = (
  name: string,
  contract: CaseResult['contract'],
  verdict: CaseResult['verdict'],
): CaseResult => ({
  name,
  contract,
  verdict,
  ms: 1,
  seed: 1,
});

const report = (
  adapter: string,
  versions: Report['versions'],
  cases: readonly CaseResult[],
): Report => ({
  adapter,
  versions,
  capabilities: {},
  seed: 1,
  cases,
});

const reports = [
  report('memory', {}, [
    result('fan-out', ['E1'], 'pass'),
    result('competing', ['E2', 'E1'], 'fail'),
  ]),
  report('sqlite', { node: '24.21.0', broker: '3.50' }, [
    result('fan-out', ['E1'], 'pass'),
    result('reset', ['D5'], 'unsupported'),
  ]),
];

describe('guarantees', () => {
  it('has every rule of the contract in one line', () => {
    const listed = guarantees.flatMap(([, its]) => its);
    assert.deepEqual(new Set(listed), new Set(rules));
    assert.equal(listed.length, rules.length);
  });
});

describe('guaranteesTable', () => {
  it('counts what passed of what is supported, and hides no failure', () => {
    const table = guaranteesTable(reports);
    assert.match(table, /^\| \| memory \| sqlite 3\.50 \|$/m);
    assert.match(table, /^\| Fan-out: .* \| 1 of 2 \| 1 of 1 \|$/m);
    assert.match(table, /^\| Offset reset, .* \| - \| not supported \|$/m);
    assert.match(table, /^\| \*\*All cases\*\* \| \*\*1 of 2\*\* \| \*\*1 of 1\*\* \|$/m);
  });
});

describe('promisesTable', () => {
  it('has a line for each case', () => {
    assert.equal(
      promisesTable([{ name: 'read', promises: 'History can be read.' }]),
      '| Case | Promise |\n|---|---|\n| `read` | History can be read. |',
    );
  });
});
