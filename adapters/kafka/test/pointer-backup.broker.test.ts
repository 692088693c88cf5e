import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testUrl } from '@duobus/brokers';
import type { StoredPointer } from '@duobus/core/driver';
import { Connection } from '../src/connection.ts';
import { Copies } from '../src/copies.ts';
import { optionsOfUrl, settingsOf } from '../src/options.ts';
import { PointerBackup } from '../src/pointer-backup.ts';
import { Subscriptions } from '../src/subscriptions.ts';
import { soon } from './support/driver.ts';
import { openQueue, subscribed } from './support/queue.ts';

const at = (offset: number): ReadonlyMap<number, StoredPointer> =>
  new Map([[0, { place: { offset, time: 0 }, text: '' }]]);

describe('the pointers that are kept once more', () => {
  it('are read while another process replaces them', async (test) => {
    await using driver = await openQueue();
    const topic = await subscribed(driver);
    const connection = new Connection(settingsOf(optionsOfUrl(testUrl('kafka'))), 'event');
    test.after(() => connection.close());
    await connection.open(soon());
    await connection.store.kept(topic);
    const [subscription] = await new Subscriptions(connection).all(topic);
    assert.ok(subscription !== undefined);
    const copies = new Copies(connection.producer, connection.closed);
    const other = new PointerBackup(connection, copies);
    await other.write(subscription, at(1));
    let replaced = false;
    const ends: Pick<Connection['ends'], 'bounds'> = {
      bounds: async (...asked) => {
        const bounds = await connection.ends.bounds(...asked);
        if (!replaced) {
          replaced = true;
          await other.write(subscription, at(2));
        }
        return bounds;
      },
    };
    const backup = new PointerBackup(Object.create(connection, { ends: { value: ends } }), copies);
    assert.equal((await backup.read(subscription)).get(0)?.place.offset, 2);
    assert.ok(replaced);
  });
});
