import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect } from 'amqplib';
import { testUrl } from '@duobus/brokers';
import type { AmqpConnection } from '../src/client.ts';
import { Connection } from '../src/connection.ts';
import {
  consume,
  idOf,
  openDriver,
  publish,
  type Reader,
  soon,
  subscription,
} from './support/driver.ts';

describe('connections', () => {
  it('become more as the channels of members fill them, and end with the driver', async () => {
    const url = `${await testUrl('rabbitmq')}?channelMax=20`;
    const open = new Set<AmqpConnection>();
    let made = 0;
    await using driver = await openDriver({
      connect: async () => {
        const native = (await connect(url)) as unknown as AmqpConnection;
        made += 1;
        open.add(native);
        native.on('close', () => open.delete(native));
        return native;
      },
    });
    const { topic } = await subscription(driver);
    const readers: Reader[] = [];
    for (let n = 0; n < 30; n += 1) readers.push(await consume(driver, topic));
    // two for 60 channels would be too few
    assert.ok(open.size > 4 && open.size < 12, `${open.size} connections`);
    // one that ends takes only its own members with it
    const before = made;
    const [lost] = [...open].slice(-1);
    await lost?.close();
    const left: Reader[] = [];
    await publish(driver, topic, 0, ...readers.map((_, n) => `${n}`));
    const seen = new Set<string>();
    for (const reader of readers) {
      const [event] = await reader.member.receive(soon());
      if (event?.type === 'lost') continue;
      left.push(reader);
      assert.ok(event?.type === 'records');
      for (const leased of event.records) seen.add(idOf(leased));
    }
    assert.ok(left.length > 15 && left.length < 30, `${left.length} members are left`);
    assert.equal(made, before);
    await driver.close();
    assert.equal(open.size, 0);
  });
});

describe('a connection', () => {
  it('tells who waits on a channel why the broker has closed it', async () => {
    const url = await testUrl('rabbitmq');
    const open = async (): Promise<AmqpConnection> =>
      (await connect(url)) as unknown as AmqpConnection;
    const connection = await Connection.open(open, 'the broker', soon());
    try {
      const waiting = connection.with('wait for a message', soon(), async (channel) => {
        channel.checkQueue('duobus.nothing-is-called-so').catch(() => undefined); // told below
        await new Promise(() => undefined);
      });
      await assert.rejects(() => waiting, { code: 'DUOBUS_NOT_FOUND' });
    } finally {
      await connection.close();
    }
  });
});
