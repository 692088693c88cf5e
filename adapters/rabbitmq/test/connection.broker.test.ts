import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect } from 'amqplib';
import { nodeUrls, testUrl } from '@duobus/brokers';
import type { AmqpConnection } from '../src/client.ts';
import { Connection } from '../src/connection.ts';
import {
  consume,
  openDriver,
  publish,
  type Reader,
  soon,
  subscription,
  wantedTopic,
} from './support/driver.ts';

describe('connections', () => {
  it('become more as the channels of members fill them, and end with the driver', async () => {
    const url = `${nodeUrls(testUrl('rabbitmq'))[0]}?channelMax=20`;
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
    await using other = await openDriver();
    await using sub = await subscription(other);
    const { topic } = sub;
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
    for (const reader of readers) {
      const [event] = await reader.member.receive(soon());
      if (event?.type === 'lost') continue;
      left.push(reader);
      assert.ok(event?.type === 'records');
    }
    assert.ok(left.length > 15 && left.length < 30, `${left.length} members are left`);
    assert.equal(made, before);
    await driver.close();
    assert.equal(open.size, 0);
  });
});

describe('a connection', () => {
  it('tells who waits on a channel why the broker has closed it', async () => {
    const [url] = nodeUrls(testUrl('rabbitmq'));
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

  it('is made with a node that answers, if the URL names more', async () => {
    const [url] = nodeUrls(testUrl('rabbitmq'));
    for (const several of [
      url.replace('@', '@127.0.0.1:1,'),
      url.replace(/(@[^/]*)/, '$1,127.0.0.1:1'),
    ]) {
      await using driver = await openDriver({ url: several });
      const wanted = wantedTopic();
      assert.equal((await driver.ensureTopic(wanted, 'create', soon())).name, wanted.name);
    }
  });
});
