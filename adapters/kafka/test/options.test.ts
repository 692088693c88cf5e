import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createAdapter, kafka, schemes } from '../src/index.ts';
import { type KafkaOptions, optionsOfUrl, settingsOf } from '../src/options.ts';
import { groupId, groupOf, kafkaTopicName, otherTopicName } from '../src/topology.ts';

describe('the options of the Kafka adapter', () => {
  it('are read from a URL', () => {
    assert.deepEqual(optionsOfUrl('kafka://a:1,b:2'), { brokers: ['a:1', 'b:2'] });
    assert.deepEqual(optionsOfUrl('kafka+ssl://user:p%40ss%3A@a:1/?sasl=scram-sha-256'), {
      brokers: ['a:1'],
      tls: true,
      sasl: { mechanism: 'scram-sha-256', username: 'user', password: 'p@ss:' },
    });
    assert.equal(optionsOfUrl('kafka://u:p@a:1').sasl?.mechanism, 'plain');
    assert.deepEqual(settingsOf({ brokers: ['[::1]:9092'] }).brokers, [
      { host: '::1', port: 9_092 },
    ]);
  });

  for (const url of [
    'kafka://',
    'http://a:1',
    'kafka://a',
    'kafka://user@a:1',
    'kafka://a:1?sasl=plain',
    'kafka://a:1?tls=1',
    'kafka://u:secret-word@a:1?sasl=gssapi',
    'kafka://u:secret-word@a',
    'kafka://u:%zzsecret-word@a:1',
    'kafka://a:99999',
  ]) {
    it(`refuses ${url.replace('secret-word', '...')} without repeating a password`, () => {
      assert.throws(
        () => createAdapter({ url }),
        (error) => error instanceof TypeError && !inspect(error).includes('secret-word'),
      );
    });
  }

  const wrong: readonly object[] = [
    {},
    { brokers: [] },
    { brokers: 'a:1' },
    { brokers: ['a:1'], broker: 1 },
    { brokers: ['a:1'], sessionTimeoutMs: 10 },
    { brokers: ['a:1'], heartbeatIntervalMs: 9_000 },
    { brokers: ['a:1'], metadataIntervalMs: 60_000 },
    { brokers: ['a:1'], replicationFactor: 0 },
    { brokers: ['a:1'], registryTopic: 'not a topic' },
    { brokers: ['a:1'], sasl: { mechanism: 'plain', username: 'u' } },
    { brokers: ['a:1'], tls: 'yes' },
  ];
  for (const options of wrong) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(() => kafka(options as never), TypeError);
    });
  }

  it('has the schemes of its URLs', () => {
    assert.deepEqual(schemes, ['kafka', 'kafka+ssl']);
  });
});

/** Every option written wrong, and a value of a wrong type: what the environment gives, where that can be taken for right. */
const slips: Readonly<
  Record<keyof Required<KafkaOptions>, readonly [misspelt: string, wrong: unknown]>
> = {
  brokers: ['broker', 'a:1'],
  clientId: ['clientID', 7],
  tls: ['TLS', 'true'],
  sasl: ['sasal', 'plain'],
  connectTimeoutMs: ['connectTimeout', '1000'],
  requestTimeoutMs: ['requestTimeout', '1000'],
  sessionTimeoutMs: ['sessionTimeout', '10000'],
  heartbeatIntervalMs: ['heartbeatInterval', '1000'],
  rebalanceTimeoutMs: ['rebalanceTimeout', '1000'],
  metadataIntervalMs: ['metadataInterval', '1000'],
  unorderedPartitions: ['unorderedPartition', '8'],
  replicationFactor: ['replicationFaktor', '3'],
  minInsyncReplicas: ['minInSyncReplica', '2'],
  maxMessageBytes: ['maxMessageByte', '2048'],
  registryTopic: ['registryTopics', 7],
};

describe('every option', () => {
  const refused = (options: object, says: RegExp): void =>
    assert.throws(() => kafka({ brokers: ['a:1'], ...options }), {
      name: 'TypeError',
      message: says,
    });

  for (const [option, [misspelt, wrong]] of Object.entries(slips))
    it(`${option} is not ${misspelt}, and not any value will do`, () => {
      refused({ [misspelt]: undefined }, new RegExp(`^kafka: .*'${misspelt}'.*'${option}'`));
      refused({ [option]: wrong }, new RegExp(`^kafka: .*${option}`));
    });

  it('is known by its name in objects within, and in the URL', () => {
    const sasl = { mechanism: 'plain', username: 'u', password: 'p' };
    refused({ sasl: { ...sasl, user: 'u' } }, /sasl: unknown option 'user'.*'username'/);
    refused({ sasl: { ...sasl, mechanism: 'gssapi' } }, /sasl.mechanism must be 'plain' or/);
    refused({ sasl: { ...sasl, password: 7 } }, /sasl.password must be a string/);
    refused({ sasl: { ...sasl, username: '' } }, /sasl.username must be a string/);
    refused({ tls: { servername: '' } }, /tls.servername must be/);
    refused({ tls: { rejectUnauthorised: false } }, /tls: .*'rejectUnauthorized'/);
    const ofUrl = (query: string) => () => createAdapter({ url: `kafka://u:p@a:1?${query}` });
    assert.throws(ofUrl('sasal=plain'), /unknown parameter 'sasal'. Did you mean 'sasl'/);
    assert.throws(ofUrl('clientid=x'), /'clientid'. Give it as the option 'clientId'/);
  });
});

describe('names on Kafka', () => {
  it('are those of the topics, and apart where Kafka wants them apart', () => {
    assert.equal(kafkaTopicName({ kind: 'data', name: 'orders' }), 'orders');
    assert.notEqual(kafkaTopicName({ kind: 'event', name: 'orders' }), 'orders');
    const others = ['a.b', 'a_b', 'a-b'].map((name) =>
      otherTopicName({ kind: 'data', name }).replaceAll(/[._-]/g, ''),
    );
    assert.equal(new Set(others).size, 3);
    assert.ok(otherTopicName({ kind: 'event', name: 'x'.repeat(80) }).length <= 249);
  });

  it('of groups lead back to their topic and no other', () => {
    assert.equal(groupOf({ name: 'a.b' }, groupId({ name: 'a.b' }, 'c')), 'c');
    assert.equal(groupOf({ name: 'a' }, groupId({ name: 'a.b' }, 'c')), undefined);
    assert.equal(groupOf({ name: 'a' }, 'somebody-elses'), undefined);
    assert.notEqual(groupId({ name: 'a.b' }, 'c'), groupId({ name: 'a' }, 'b.c'));
  });
});

describe('the adapter', () => {
  it('has the files that every adapter has', () => {
    const files = readdirSync(new URL('../src', import.meta.url));
    for (const name of [
      'index',
      'options',
      'client',
      'log-driver',
      'topology',
      'record-codec',
      'native-errors',
      'capabilities',
    ])
      assert.ok(files.includes(`${name}.ts`), name);
  });
});
