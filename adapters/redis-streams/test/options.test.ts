import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect } from '@duobus/core';
import { createAdapter } from '../src/index.ts';
import { optionsOfUrl, type RedisStreamsOptions, settingsOf } from '../src/options.ts';

const ofUrl = (url: string) => settingsOf(optionsOfUrl(url));

describe('options', () => {
  it('have defaults', () => {
    const { hosts, cluster, sentinel, database, leaseMs, requireAof, where } = settingsOf({});
    assert.deepEqual(
      { hosts, cluster, sentinel, database, leaseMs, requireAof, where },
      {
        hosts: [{ host: 'localhost', port: 6379 }],
        cluster: false,
        sentinel: undefined,
        database: 0,
        leaseMs: 10_000,
        requireAof: true,
        where: 'Redis at localhost:6379',
      },
    );
  });

  it('come from a URL', () => {
    const one = ofUrl('rediss://us%40er:p%3Aw@[::1]:7000/3');
    assert.deepEqual(one.hosts, [{ host: '::1', port: 7000 }]);
    assert.deepEqual([one.database, one.where], [3, 'Redis at [::1]:7000']);
    const { username, password: decoded, tls } = optionsOfUrl('rediss://us%40er:p%3Aw@host');
    assert.deepEqual([username, decoded, tls], ['us@er', 'p:w', true]);
    const password = optionsOfUrl('redis://:secret@host');
    assert.deepEqual([password.username, password.password], [undefined, 'secret']);
    const cluster = ofUrl('redis://a:1,b:2/?cluster=true');
    assert.deepEqual(
      [cluster.hosts.length, cluster.cluster, cluster.where],
      [2, true, 'the Redis Cluster at a:1, b:2'],
    );
    const sentinel = ofUrl('redis://a,b:2/0?sentinel=mymaster');
    assert.deepEqual(
      [sentinel.hosts, sentinel.sentinel, sentinel.where],
      [
        [
          { host: 'a', port: 26_379 },
          { host: 'b', port: 2 },
        ],
        'mymaster',
        "'mymaster' of the sentinels at a:26379, b:2",
      ],
    );
    assert.deepEqual(ofUrl('redis://').hosts, [{ host: 'localhost', port: 6379 }]);
  });

  it('win over the URL', async () => {
    const adapter = createAdapter({ url: 'redis://host', options: { leaseMs: 5_000 } });
    assert.equal(adapter.log?.capabilities.leaseMs, 5_000);
    assert.equal(adapter.name, 'redis-streams');
  });

  it('say what is declared about durability', () => {
    const of = (options: RedisStreamsOptions) => {
      const { processKill, hostLoss, leaderLoss } =
        createAdapter({ url: 'redis://host', options: { ...options } }).log?.capabilities
          .durability ?? {};
      return [processKill, hostLoss, leaderLoss];
    };
    assert.deepEqual(of({}), [false, false, false]);
    assert.deepEqual(of({ requireAof: 'always' }), [true, true, false]);
    assert.deepEqual(of({ waitReplicas: 1 }), [false, false, true]);
    assert.deepEqual(of({ waitAof: true }), [true, true, false]);
  });

  const wrong: readonly [given: unknown, says: RegExp][] = [
    [{ host: 'x' }, /unknown option 'host'/],
    [{ hosts: [] }, /hosts must be/],
    [{ hosts: ['redis://x'] }, /host:port/],
    [{ hosts: ['x:70000'] }, /host:port/],
    [{ hosts: ['a', 'b'] }, /cluster: true/],
    [{ cluster: 'yes' }, /cluster must be/],
    [{ cluster: true, sentinel: 'm' }, /not both/],
    [{ cluster: true, database: 1 }, /database 0/],
    [{ waitAof: 1 }, /waitAof must be true or false/],
    [{ waitAof: true, requireAof: false }, /leave requireAof out/],
    [{ database: -1 }, /database must be/],
    [{ password: '' }, /password must be/],
    [{ tls: 'yes' }, /tls must be/],
    [{ requireAof: 'sometimes' }, /requireAof must be/],
    [{ silenceMs: 10 }, /silenceMs must be/],
    [{ waitTimeoutMs: 20_000 }, /below silenceMs/],
    [{ clientName: 'a b' }, /clientName must be/],
    [null, /options must be/],
  ];
  for (const [given, says] of wrong)
    it(`refuses ${JSON.stringify(given)}`, () => {
      assert.throws(
        () => settingsOf(given as RedisStreamsOptions),
        (error) => error instanceof TypeError && says.test(error.message),
      );
    });

  const wrongUrls: readonly [url: string, says: RegExp][] = [
    ['http://host', /must look like/],
    ['redis://host/x', /must look like/],
    ['redis://host?db=1', /unknown parameter 'db'/],
    ['redis://host?cluster=1', /true or false/],
    ['redis://secret@host', /no password/],
    ['redis://u:%E0%A4@host', /percent-encoded/],
  ];
  for (const [url, says] of wrongUrls)
    it(`refuses ${url.replace('secret', 'user')}`, () => {
      assert.throws(
        () => optionsOfUrl(url),
        (error) =>
          error instanceof TypeError &&
          says.test(error.message) &&
          !/secret|%E0/.test(error.message + String(error.cause)),
      );
    });

  it('are refused when they come through connect', async () => {
    await assert.rejects(
      connect({ url: 'redis://host', options: { nope: 1 } }, { source: '/test' }),
      TypeError,
    );
  });
});

/** Every option written wrong, and a value of a wrong type: what the environment gives, where that can be taken for right. */
const slips: Readonly<
  Record<keyof Required<RedisStreamsOptions>, readonly [misspelt: string, wrong: unknown]>
> = {
  hosts: ['host', 'a:1'],
  username: ['user', 7],
  password: ['pasword', 7],
  database: ['databse', '1'],
  tls: ['TLS', 'true'],
  cluster: ['clusters', 'true'],
  sentinel: ['sentinels', true],
  sentinelUsername: ['sentinelUsernam', 7],
  sentinelPassword: ['sentinelPasword', 7],
  clientName: ['clientname', 7],
  connectTimeoutMs: ['connectTimeout', '1000'],
  silenceMs: ['silence', '1000'],
  leaseMs: ['lease', '1000'],
  requireAof: ['requireAOF', 'true'],
  waitReplicas: ['waitReplica', '1'],
  waitAof: ['waitAOF', 'true'],
  waitTimeoutMs: ['waitTimeout', '100'],
};

describe('every option', () => {
  const refused = (options: object, says: RegExp): void =>
    assert.throws(() => settingsOf(options), { name: 'TypeError', message: says });

  for (const [option, [misspelt, wrong]] of Object.entries(slips))
    it(`${option} is not ${misspelt}, and not any value will do`, () => {
      refused({ [misspelt]: undefined }, new RegExp(`^redis: .*'${misspelt}'.*'${option}'`));
      refused({ [option]: wrong }, new RegExp(`^redis: .*${option}`));
    });

  it('is known by its name in objects within, and in the URL', () => {
    refused({ tls: { servername: '' } }, /tls.servername must be/);
    refused({ tls: { rejectUnauthorised: false } }, /tls: .*'rejectUnauthorized'/);
    const ofUrl = (query: string) => () => createAdapter({ url: `redis://a?${query}` });
    assert.throws(ofUrl('clustr=true'), /unknown parameter 'clustr'. Did you mean 'cluster'/);
    assert.throws(ofUrl('db=1'), /unknown parameter 'db'/);
    assert.throws(ofUrl('leaseMs=1000'), /'leaseMs'. Give it as the option 'leaseMs'/);
  });
});
