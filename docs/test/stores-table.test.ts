import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { storesTable } from '../stores-table.ts';

describe('storesTable', () => {
  it('shows what a store adds to the effect alone', () => {
    const figures = [
      { effect: 'a row', store: 'none', microsecondsPerDocument: 500 },
      { effect: 'a row', store: 'inbox', microsecondsPerDocument: 1_750 },
    ];
    assert.deepEqual(storesTable({ figures }).split('\n').slice(2), [
      '| a row | none | 500 |  |',
      '| a row | `inbox` | 1,750 | 1,250 |',
    ]);
  });

  it('refuses a store without the effect alone', () => {
    const figures = [{ effect: 'a row', store: 'inbox', microsecondsPerDocument: 1 }];
    assert.throws(() => storesTable({ figures }), /without a store/);
  });
});
