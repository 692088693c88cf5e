import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startRedisCluster, startRedisReplica, startRedisSentinel } from '../src/index.ts';
import { field, resp } from '../src/resp.ts';
import { until } from '../src/until.ts';

const waiting = { timeoutMs: 60_000 };

async function role(url: string): Promise<string | undefined> {
  const [info] = await resp(url, ['INFO', 'replication']);
  return field(info, 'role');
}

describe('startRedisReplica', () => {
  it('has what was written on a replica that is promoted when the master is gone', async () => {
    await using redis = await startRedisReplica({ replicas: 2 });
    const [first, second] = redis.replicas;
    assert.ok(first !== undefined && second !== undefined);
    const [, copies] = await resp(redis.url, ['SET', 'k', 'v'], ['WAIT', '2', '10000']);
    assert.equal(copies, 2);
    await redis.master.kill9();
    await redis.promote(first);
    assert.equal(await role(first.url), 'master');
    const [, again] = await resp(first.url, ['SET', 'k', 'w'], ['WAIT', '1', '10000']);
    assert.equal(again, 1);
    assert.deepEqual(await resp(second.url, ['GET', 'k']), ['w']);
    await first.kill9();
    await redis.start();
    assert.equal(await role(first.url), 'master');
    assert.equal(await role(redis.master.url), 'master', 'beside the new one');
  });
});

describe('startRedisSentinel', () => {
  it('has another master soon after the first is killed', async () => {
    await using redis = await startRedisSentinel();
    assert.equal(redis.addresses.length, 3);
    await redis.master.kill9();
    const failedOver = async (): Promise<boolean> =>
      (await redis.currentMaster()) === redis.replica &&
      (await role(redis.replica.url)) === 'master';
    await until(failedOver, { ...waiting, what: 'the failover' });
  });
});

describe('startRedisCluster', () => {
  it('is whole again after a master was killed and started', async () => {
    await using redis = await startRedisCluster({ config: { appendfsync: 'always' } });
    assert.equal(redis.nodes.length, 3);
    // the slot of {a} is 15495, that of {b} 3300
    const [first, , third] = redis.nodes;
    assert.ok(first !== undefined && third !== undefined);
    await assert.rejects(() => resp(first.url, ['SET', '{a}', '1']), /MOVED 15495/);
    await resp(third.url, ['SET', '{a}', '1']);
    await third.kill9();
    await redis.start();
    assert.deepEqual(await resp(third.url, ['GET', '{a}']), ['1']);
  });

  it('has replicas that take over', async () => {
    await using redis = await startRedisCluster({ replicas: 1 });
    const [master, , , replica] = redis.nodes;
    assert.ok(master !== undefined && replica !== undefined);
    assert.equal(await role(replica.url), 'slave');
    await resp(master.url, ['SET', '{b}', '1'], ['WAIT', '1', '10000']);
    await master.kill9();
    const takenOver = async (): Promise<boolean> => (await role(replica.url)) === 'master';
    await until(takenOver, { ...waiting, what: 'the replica to take over' });
    const served = (): Promise<boolean> =>
      resp(replica.url, ['GET', '{b}']).then(
        ([value]) => value === '1',
        () => false,
      );
    await until(served, { ...waiting, what: 'the cluster to be whole' });
  });
});
