import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { kafkaEndpoints, kafkaProperties } from '../src/kafka-properties.ts';
import { ministackEnvironment } from '../src/ministack.ts';
import { nodeUrls } from '../src/node-urls.ts';
import { postgresConf } from '../src/postgres.ts';
import { rabbitmqConf } from '../src/rabbitmq.ts';
import { redisConf, redisEndpoints, sentinelConf } from '../src/redis-conf.ts';
import { slotsOf } from '../src/redis-cluster.ts';

const ports = { plain: 1, controller: 2, tls: 3, saslPlain: 4, saslTls: 5, amqp: 6, amqps: 7 };

describe('kafkaProperties', () => {
  it('opens nothing but the plain listener unless asked', () => {
    assert.deepEqual(kafkaEndpoints(ports, {}), { plain: 'kafka://127.0.0.1:1' });
    assert.match(
      kafkaProperties('/f', ports, {}),
      /^advertised.listeners=PLAINTEXT:\/\/127.0.0.1:1$/m,
    );
  });

  it('opens all four with TLS and SASL', () => {
    assert.deepEqual(Object.keys(kafkaEndpoints(ports, { tls: true, sasl: true })), [
      'plain',
      'tls',
      'saslPlain',
      'saslTls',
    ]);
  });

  it('lets the own configuration win, which comes last', () => {
    const text = kafkaProperties('/f', ports, { config: { 'offsets.topic.num.partitions': 1 } });
    const values = text.match(/^offsets\.topic\.num\.partitions=\d+$/gm);
    assert.equal(values?.at(-1), 'offsets.topic.num.partitions=1');
  });

  it('keeps three copies where there are three nodes, and one where there is one', () => {
    const quorum = { id: 2, controllers: [12, 22, 32] };
    const text = kafkaProperties('/f', ports, {}, quorum);
    assert.match(text, /^controller.quorum.voters=1@127.0.0.1:12,2@127.0.0.1:22,3@127.0.0.1:32$/m);
    assert.match(text, /^node.id=2$/m);
    assert.match(text, /^default.replication.factor=3$/m);
    assert.match(text, /^min.insync.replicas=2$/m);
    assert.match(text, /^offsets.topic.replication.factor=3$/m);
    assert.match(kafkaProperties('/f', ports, {}), /^offsets.topic.replication.factor=1$/m);
  });
});

describe('rabbitmqConf', () => {
  it('enables TLS only when asked', () => {
    assert.doesNotMatch(rabbitmqConf('/f', ports, {}), /ssl/);
    assert.match(rabbitmqConf('/f', ports, { tls: true }), /^listeners\.ssl\.1 = 127\.0\.0\.1:7$/m);
  });

  it('adds the own configuration', () => {
    assert.match(
      rabbitmqConf('/f', ports, { config: { consumer_timeout: 5000 } }),
      /^consumer_timeout = 5000$/m,
    );
  });
});

describe('redisConf', () => {
  it('keeps what is written, and listens on the loopback alone', () => {
    const text = redisConf('/f', ports, {});
    for (const line of ['bind 127.0.0.1', 'appendonly yes', 'appendfsync everysec', "save ''"]) {
      assert.ok(text.split('\n').includes(line), line);
    }
    assert.doesNotMatch(text, /tls|user/);
  });

  it('lets the own configuration win, which comes last, in words of redis.conf', () => {
    const text = redisConf('/f', ports, { config: { appendfsync: 'always', appendonly: false } });
    assert.deepEqual(text.trimEnd().split('\n').slice(-2), ['appendfsync always', 'appendonly no']);
  });

  it('adds a listener and users when asked', () => {
    const options = { tls: true, sasl: true };
    assert.match(redisConf('/f', ports, options), /^tls-port 3$[^]*^user acl-user on >/m);
    assert.deepEqual(redisEndpoints(ports, options), {
      plain: 'redis://127.0.0.1:1',
      tls: 'rediss://127.0.0.1:3',
      saslPlain: 'redis://acl-user:acl-secret@127.0.0.1:1',
      saslTls: 'rediss://acl-user:acl-secret@127.0.0.1:3',
    });
  });

  it('gives sentinels the master to watch', () => {
    assert.match(
      sentinelConf('/f', 5, 6, { downAfterMs: 700 }),
      /^sentinel monitor duobus 127.0.0.1 6 2$[^]*^sentinel down-after-milliseconds duobus 700$/m,
    );
  });
});

describe('nodeUrls', () => {
  it('are as many as the hosts', () => {
    assert.deepEqual(nodeUrls('amqp://u:p,q@a:1,b:2/v'), [
      'amqp://u:p,q@a:1/v',
      'amqp://u:p,q@b:2/v',
    ]);
    assert.deepEqual(nodeUrls('amqp://localhost'), ['amqp://localhost']);
  });
});

describe('slotsOf', () => {
  it('leaves no slot out', () => {
    assert.deepEqual([0, 1, 2].map(slotsOf), [
      [0, 5460],
      [5461, 10_922],
      [10_923, 16_383],
    ]);
  });
});

describe('postgresConf', () => {
  it('lets the own configuration win', () => {
    const text = postgresConf('/f', 5, { config: { fsync: false, application_name: "it's" } });
    assert.match(text, /^port = '5'$/m);
    assert.match(text, /^fsync = 'false'$/m);
    assert.match(text, /^application_name = 'it''s'$/m);
  });
});

describe('ministackEnvironment', () => {
  it('listens on the loopback alone, and adds the own configuration', () => {
    const { BIND_HOST, GATEWAY_PORT, AUTH } = ministackEnvironment('/f', 5, { AUTH: true });
    assert.deepEqual([BIND_HOST, GATEWAY_PORT, AUTH], ['127.0.0.1', '5', 'true']);
  });
});
