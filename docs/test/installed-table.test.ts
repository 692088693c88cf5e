import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { installedTable } from '../installed-table.ts';

describe('installedTable', () => {
  it('shows how many packages and how much come with an adapter', () => {
    const table = installedTable([
      { adapter: 'a', dependencies: 1, bytes: 2_049_999 },
      { adapter: 'b', dependencies: 30, bytes: 16_350_000 },
    ]);
    assert.deepEqual(table.split('\n'), [
      '|  | a | b |',
      '|---|---:|---:|',
      '| dependencies, theirs included | 1 | 30 |',
      '| size of all, MB | 2.0 | 16.4 |',
    ]);
  });
});
