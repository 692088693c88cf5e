import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { faultsTable, scaleTable } from '../figures-table.ts';

describe('figures', () => {
  it('of scale are a column for each size, without lines that nobody has', () => {
    const figures = [
      { count: 1, connections: 3, startSeconds: 0.05, deliveries: 0 },
      { count: 10, connections: 3, startSeconds: 0.16, deliveries: 0 },
    ];
    const other = { adapter: 'b', shape: 'group', figures: [{ count: 1, connections: 9 }] };
    assert.equal(
      scaleTable([{ adapter: 'a', shape: 'topics', figures }, other], 'topics'),
      '|  | a, 1 | a, 10 |\n|---|---|---|\n| connections | 3 | 3 |\n| to start, s | 0.1 | 0.2 |',
    );
  });

  it('of faults say what was stored, lost and repeated', () => {
    const figures = {
      'published (stored / rejected / unknown)': '10 / 1 / 0',
      'repeats by cause': '2 takeover',
    };
    const claims = [
      { claim: 'stored and lost', holds: true, detail: '0' },
      { claim: 'dead letters', holds: false, detail: '1' },
    ];
    const report = { name: 'kill', adapter: 'a', bus: 'data', broker: '1.0', figures, claims };
    const [, , row] = faultsTable([report]).split('\n');
    assert.equal(row, '| kill | a 1.0, data bus | 10 / 1 / 0 | 0 | 2 takeover | 1 of 2 |');
  });
});
