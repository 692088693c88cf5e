import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Consumers } from '@duobus/test-support';
import type { Consuming } from './support/consumer.ts';
import { useFolder } from './support/folder.ts';

const consumers = new Consumers<Consuming>(new URL('./support/consumer.ts', import.meta.url));
const count = 2_000;
const last = 200; // what only the last ones publish, as those before may be fast enough to leave nothing

describe('sqliteInbox on a bus whose consumers are killed', () => {
  const folder = useFolder();

  it('has one effect for each document, which processes with buses of their own all handle', async () => {
    const files = ['orders', 'mails'];
    for (const file of files) folder.inbox(file);
    const [orders = '', mails = ''] = files.map((file) => folder.path(file));
    const consuming = (first: number, published = count - last) => ({
      orders,
      mails,
      count: published,
      first,
    });
    const handled = await consumers.consumeThroughDeaths({
      rounds: 4,
      most: 400,
      dying: (round) => [consuming(round * 400), consuming(round * 400 + 100)],
      last: [consuming(0, count), consuming(count / 2, count)],
    });
    assert.ok(handled >= last, 'something was left for the last ones');
    const wanted = Array.from({ length: count }, (_, index) => String(index)).toSorted();
    for (const file of files) assert.deepEqual(folder.effects(file).toSorted(), wanted, file);
  });
});
