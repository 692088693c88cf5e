import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memory } from '@duobus/memory';
import { capabilitiesTable } from '../capabilities-table.ts';

describe('capabilitiesTable', () => {
  it('shows what an adapter declares for each bus', () => {
    const table = capabilitiesTable(memory({ maxDocumentBytes: 524_288 }));
    assert.match(table, /^\| Largest document \| 512 KiB \| 512 KiB \|$/m);
    assert.match(table, /^\| Order \| none, by key \| by key \|$/m);
    assert.match(table, /^\| Retention \| - \| by age, by size \|$/m);
  });

  it('says which bus an adapter does not have', () => {
    const { queue } = memory();
    const table = capabilitiesTable(queue === undefined ? {} : { queue });
    assert.match(table, /^\| Largest document \| 16 MiB \| not supported \|$/m);
  });
});
