import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { outboxKillsTable, outboxSpeedTable } from '../outbox-table.ts';

describe('figures of outboxes', () => {
  it('say of kills what was lost, invented, overtaken and repeated', () => {
    const counts = { committed: 9, published: 8, lost: 1, invented: 2, overtaken: 3, repeated: 4 };
    const [, , row] = outboxKillsTable([
      { what: 'kills', store: 'postgres', ...counts, kills: 5, stops: 6 },
    ]).split('\n');
    assert.equal(row, '| postgres | 9 | 8 | 1 | 2 | 3 | 4 | 5, 6 |');
  });

  it('say of speed the median, and the ratio of each round', () => {
    const [, , row] = outboxSpeedTable([
      { what: 'speed', store: 's', documents: 1, relayed: [1, 3, 2], published: [2, 4, 8] },
    ]).split('\n');
    assert.equal(row, '| s | 2 | 4 | 0.50, 0.75, 0.25 |');
  });
});
