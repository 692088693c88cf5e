import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { costsTable } from '../costs-table.ts';

const none = { sns: 0, snsFifo: 0, sqs: 0, sqsFifo: 0, s3Put: 0, s3Get: 0, s3Delete: 0 };

describe('costsTable', () => {
  it('shows requests and dollars, without columns that nobody needs', () => {
    const table = costsTable({
      thousand: {
        'publish x': { ...none, snsFifo: 1_000 },
        'consume x': { ...none, s3Put: 2_000 },
      },
      idleHour: { x: { ...none, s3Put: 1_000 } },
    });
    assert.deepEqual(table.split('\n').slice(0, 5), [
      '| | SNS FIFO | S3 PUT, LIST | US dollars |',
      '|---|---:|---:|---:|',
      '| publish x | 1,000 | 0 | 0.31 a million |',
      '| consume x | 0 | 2,000 | 10.00 a million |',
      '| idle: x | 0 | 1,000 | 3.65 a month |',
    ]);
    assert.match(table, /us-east-1/);
  });
});
