import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.ts';

const folder = mkdtempSync(join(tmpdir(), 'duobus-'));
const path = join(folder, 'shop.db');

// #region make
import { DatabaseSync } from 'node:sqlite';
import { connect, topic } from '@duobus/core';
import { startRelay } from '@duobus/outbox';
import { sqliteOutbox } from '@duobus/sqlite';

const Orders = topic<{ orderId: string }>('orders', { key: (o) => o.orderId });

const db = new DatabaseSync(path);
db.exec('pragma journal_mode = wal');
const outbox = sqliteOutbox({ source: '/shop', database: new DatabaseSync(path) });
await outbox.migrate();
// #endregion make
db.exec('create table orders (id text primary key)');

// #region write
db.exec('begin immediate');
try {
  db.prepare('insert into orders (id) values (?)').run('42');
  outbox.publishSync(db, Orders, { orderId: '42' });
  db.exec('commit');
} catch (error) {
  db.exec('rollback');
  throw error;
}
// #endregion write

// #region relay
const bus = await connect(process.env.BUS_URL, { source: '/shop' });
const relay = await startRelay(outbox, bus);
// #endregion relay
await until(async () => (await outbox.lag()).rows === 0);
await relay.close();
await bus.close();
db.close();
rmSync(folder, { recursive: true });
