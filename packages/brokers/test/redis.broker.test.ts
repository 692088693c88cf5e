import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { describe, it } from 'node:test';
import { redisUsers, startBroker } from '../src/index.ts';
import { resp } from '../src/resp.ts';

describe('a private Redis', () => {
  it('keeps a connection while it is frozen, and answers when thawed', async () => {
    await using broker = await startBroker('redis');
    broker.freeze();
    const asked = resp(broker.url, ['PING']);
    broker.thaw();
    assert.deepEqual(await asked, ['PONG']);
  });

  it('has users and TLS when asked, even without its default user', async () => {
    const config = { user: 'default off' };
    await using broker = await startBroker('redis', { tls: true, sasl: true, config });
    const { saslPlain = '', saslTls = '' } = broker.endpoints;
    await assert.rejects(() => resp(broker.url, ['GET', 'k']), /NOAUTH/);
    await resp(saslPlain, ['SET', 'k', 'v']);
    const [, reader] = redisUsers;
    const reading = new URL(saslPlain);
    reading.username = reader.username;
    reading.password = reader.password;
    assert.deepEqual(await resp(reading.href, ['GET', 'k']), ['v']);
    await assert.rejects(() => resp(reading.href, ['SET', 'k', 'w']), /NOPERM/);
    assert.equal((await broker.ctl('get', 'k')).trim(), 'v');
    await assert.rejects(() => broker.ctl('incr', 'k'), /not an integer/);
    const socket = connect({
      port: Number(new URL(saslTls).port),
      host: '127.0.0.1',
      ca: readFileSync(String(broker.ca)),
    });
    await new Promise((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    assert.equal(socket.authorized, true);
    socket.destroy();
  });
});
