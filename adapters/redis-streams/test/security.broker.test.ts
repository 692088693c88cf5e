import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { type Broker, redisUsers, startBroker } from '@duobus/brokers';
import { BusError, type ErrorCode } from '@duobus/core/driver';
import { Redis } from 'ioredis';
import type { RedisStreamsOptions } from '../src/index.ts';
import { openConnection, soon } from './support/connection.ts';
import { Consumer, makeTopic, openLog, records, textsOf } from './support/log.ts';

/** Everything the data bus uses, and nothing else: as the documentation has it. */
const least =
  '~{duobus* &duobus:* -@all +@connection +info +evalsha +eval +hget +hset +hsetnx +hdel +hmget +hgetall +hkeys +hlen +hincrby +xadd +xdel +xlen +xrange +xrevrange +xtrim +xinfo|stream +rpush +lpop +lindex +del +exists +sadd +srem +smembers +publish +subscribe +unsubscribe +time +wait';

describe('security and settings of Redis', () => {
  let broker: Broker;
  let admin: Redis;

  before(async () => {
    broker = await startBroker('redis', { tls: true, sasl: true });
    admin = new Redis(broker.url);
  });
  after(async () => {
    admin.disconnect();
    await broker.stop();
  });

  /** Uses everything once. */
  async function works(url: string, options: RedisStreamsOptions = {}): Promise<void> {
    await using log = await openLog(options, url);
    const topic = await makeTopic(log, { compacted: true });
    await log.append(topic, 0, records(['a', 'b', 'a']), soon());
    assert.deepEqual(await textsOf(log, topic), ['b', 'a']);
    await log.placesAt(topic, 0, soon());
    await using consumer = await Consumer.join(log, topic);
    await consumer.until(() => consumer.texts.length === 2, 'both records');
    await log.alterTopic(topic, { ...topic, partitions: 2 }, soon());
    await log.names(topic, soon());
  }

  async function refused(
    code: ErrorCode,
    says: RegExp,
    url: string,
    options: RedisStreamsOptions = {},
  ): Promise<void> {
    await assert.rejects(openConnection(options, url), (error) => {
      assert.ok(BusError.is(error, code), inspect(error));
      assert.match(error.message, says);
      assert.doesNotMatch(inspect(error, { depth: 9 }), /-secret/); // so do all passwords here end
      return true;
    });
  }

  const withUser = (username: string, password: string): string =>
    broker.url.replace('redis://', `redis://${username}:${password}@`);

  it('connects with TLS', async () => {
    const { tls = '', saslTls = '' } = broker.endpoints;
    const caFile = broker.ca ?? '';
    await works(tls, { tls: { caFile } });
    await works(saslTls, { tls: { caFile } });
    await refused('DUOBUS_PERMISSION', /certificate/, tls);
  });

  it('connects as a user, and with no more rights than the documentation says', async () => {
    await works(broker.endpoints.saslPlain ?? '');
    await admin.call(
      'ACL',
      'SETUSER',
      'least',
      'on',
      '>least-secret',
      'resetchannels',
      ...least.split(' '),
    );
    await works(withUser('least', 'least-secret'));
  });

  it('says who is not let in, without the password', async () => {
    await refused(
      'DUOBUS_PERMISSION',
      /check username and password/,
      withUser('acl-user', 'no-secret'),
    );
    const [, reader] = redisUsers;
    const url = withUser(reader.username, reader.password);
    await refused('DUOBUS_PERMISSION', /ACL user needs/, url);
    await admin.call(
      'ACL',
      'SETUSER',
      'looker',
      'on',
      '>looker-secret',
      '~*',
      '&*',
      '+@read',
      '+@connection',
      '+info',
    );
    await using log = await openLog({}, withUser('looker', 'looker-secret'));
    await assert.rejects(makeTopic(log), (error) => BusError.is(error, 'DUOBUS_PERMISSION'));
  });

  it('uses the database it is given', async () => {
    await works(`${broker.url}/3`);
    await using log = await openLog({ database: 3 }, broker.url);
    const keys = (await log.native.commands?.keys('*')) ?? [];
    assert.ok(keys.length > 0);
    await refused('DUOBUS_NOT_FOUND', /fewer databases/, `${broker.url}/999`);
  });

  it('refuses a server that evicts', async () => {
    for (const policy of ['allkeys-lru', 'allkeys-random']) {
      await admin.config('SET', 'maxmemory-policy', policy);
      await refused('DUOBUS_NOT_SUPPORTED', /maxmemory-policy/, broker.url);
    }
    // nothing of duobus has a time to live
    await admin.config('SET', 'maxmemory-policy', 'volatile-lru');
    await works(broker.url);
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
  });

  it('refuses a server that writes nothing down, unless told otherwise', async () => {
    await admin.config('SET', 'appendonly', 'no');
    await refused('DUOBUS_NOT_SUPPORTED', /appendonly/, broker.url);
    await works(broker.url, { requireAof: false });
    await admin.config('SET', 'appendonly', 'yes');
  });

  it('refuses a server that does not write at once where that was asked for', async () => {
    await refused('DUOBUS_NOT_SUPPORTED', /appendfsync everysec/, broker.url, {
      requireAof: 'always',
    });
    await admin.config('SET', 'appendfsync', 'always');
    await works(broker.url, { requireAof: 'always' });
    await refused('DUOBUS_PERMISSION', /appendfsync/, withUser('least', 'least-secret'), {
      requireAof: 'always',
    });
    await admin.config('SET', 'appendfsync', 'everysec');
  });

  it('says that the server is full, and stores when it is not any more', async () => {
    await using log = await openLog({}, broker.url);
    const topic = await makeTopic(log);
    await admin.config('SET', 'maxmemory', '1');
    const batch = records(['a']);
    const [outcome] = await log.append(topic, 0, batch, soon());
    assert.ok(outcome?.status === 'rejected');
    assert.deepEqual([outcome.error.code, outcome.error.retryable], ['DUOBUS_REJECTED', true]);
    await admin.config('SET', 'maxmemory', '0');
    assert.equal((await log.append(topic, 0, [...batch], soon()))[0]?.status, 'stored');
    assert.deepEqual(await textsOf(log, topic), ['a']);
  });
});
