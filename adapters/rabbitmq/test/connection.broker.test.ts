import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect } from 'amqplib';
import { nodeUrls, testUrl } from '@duobus/brokers';
import type { AmqpConnection } from '../src/client.ts';
import { Connection } from '../src/connection.ts';
import { openDriver, soon, wantedTopic } from './support/driver.ts';

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
