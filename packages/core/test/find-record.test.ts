import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { binaryBinding, type LogDriver, type LogRecord, type StoredTopic } from '../src/driver.ts';
import type { Half } from '../src/runtime/half.ts';
import { findRecord } from '../src/runtime/history.ts';

const topic = { name: 'orders', partitions: 1 } as StoredTopic;

/** A log with a record a second, whose ids are their offsets, and which notes what is read of it. */
function logOf(count: number): { readonly half: Half<LogDriver>; readonly read: number[] } {
  const read: number[] = [];
  const records = Array.from({ length: count }, (_, offset): LogRecord => {
    const headers = { specversion: '1.0', id: `${offset}`, source: '/s', type: 't' };
    const prefixed = Object.entries(headers).map(([name, value]) => [`ce_${name}`, value]);
    const time = offset * 1_000;
    return { offset, time, key: undefined, headers: Object.fromEntries(prefixed), body: null };
  });
  const place = (offset: number) => ({ offset, time: 0 });
  const driver: Partial<LogDriver> = {
    binding: binaryBinding({ prefix: 'ce_', contentType: 'content-type' }),
    bounds: async () => [{ first: place(0), end: place(count) }],
    placesAt: async (_, timeMs) => [place(Math.min(count, Math.ceil(timeMs / 1_000)))],
    read: async (_, _partition, from) => {
      const found = records.slice(from.offset, from.offset + 5);
      read.push(...found.map(({ offset }) => offset));
      return { records: found, next: place(from.offset + found.length), atEnd: false };
    },
  };
  const link = { request: (run: (signal: AbortSignal) => unknown) => run(soon) };
  return { half: { driver, link } as unknown as Half<LogDriver>, read };
}

const soon = AbortSignal.timeout(10_000);
const receipt = (id: number, time = id * 1_000) =>
  ({ v: 1, topic: 'orders', id: `${id}`, partition: 0, time }) as const;

describe('the place of a document whose confirm carried none', () => {
  it('is found near its time without reading all that clocks may differ by', async () => {
    const { half, read } = logOf(200);
    assert.equal((await findRecord(half, topic, receipt(195), 60_000, soon)).offset, 195);
    assert.ok(Math.min(...read) >= 194);
  });

  it('is found where the clocks do differ', async () => {
    for (const offMs of [-30_000, 30_000]) {
      const { half } = logOf(200);
      const found = await findRecord(half, topic, receipt(150, 150_000 + offMs), 60_000, soon);
      assert.equal(found.offset, 150);
    }
  });

  it('is an error where it is nowhere', async () => {
    const { half, read } = logOf(20);
    await assert.rejects(() => findRecord(half, topic, receipt(999, 19_000), 60_000, soon), {
      code: 'DUOBUS_POSITION_GONE',
    });
    assert.deepEqual([...new Set(read)].toSorted((a, b) => a - b).length, 20);
  });
});
