import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BrokerNode, startRedisCluster, startRedisSentinel } from '@duobus/brokers';
import { BusError } from '@duobus/core/driver';
import { Cluster } from 'ioredis';
import { partitionKeys } from '../src/keys.ts';
import { openConnection, soon } from './support/connection.ts';
import {
  appendUntilStored,
  Consumer,
  eventually,
  makeTopic,
  numbered,
  openLog,
  records,
  textsOf,
} from './support/log.ts';
import { Proxy } from './support/proxy.ts';

/** There is no replica any more once it has become the master. */
const waiting = { waitReplicas: 1, waitTimeoutMs: 2_000 };

const portOf = ({ url }: { readonly url: string }): number => Number(new URL(url).port);

/** The master that has the slot of a key. */
async function ownerOf(
  cluster: Cluster,
  nodes: readonly BrokerNode[],
  key: string,
): Promise<BrokerNode> {
  const slot = await cluster.cluster('KEYSLOT', key);
  const slots = (await cluster.cluster('SLOTS')) as unknown as [number, number, [string, number]][];
  const port = slots.find(([from, to]) => slot >= from && slot <= to)?.[2][1];
  const owner = nodes.find((node) => portOf(node) === port);
  assert.ok(owner, `no node has slot ${slot}`);
  return owner;
}

describe('topologies of Redis', () => {
  it('spreads partitions over a cluster, and goes on after a failover', async () => {
    await using broker = await startRedisCluster({ replicas: 1 });
    await using log = await openLog({}, broker.url);
    const waitAof = Number.parseFloat(broker.version) >= 7.2;
    await using careful = await openLog({ ...waiting, waitAof }, broker.url);
    const topic = await makeTopic(log, { partitions: 12 });
    for (let partition = 0; partition < 12; partition += 1)
      await log.append(topic, partition, records([String(partition)]), soon());
    await using consumer = await Consumer.join(log, topic);
    await consumer.until(() => consumer.texts.length === 12, 'a record of every partition');
    const { commands } = log.native;
    assert.ok(commands instanceof Cluster);
    const counts = await Promise.all(
      commands
        .nodes('master')
        .map(async (node) => (await node.keys(`{duobus:d:${topic.name}:*}:log`)).length),
    );
    assert.ok(counts.length === 3 && counts.every((count) => count > 0), String(counts));

    const master = await ownerOf(commands, broker.nodes, partitionKeys(topic, 0).log);
    await appendUntilStored(careful, topic, records(['before']));
    await master.kill9();
    await appendUntilStored(log, topic, records(['after']));
    const all = await eventually(
      async () => {
        await log.open(soon()).catch(() => undefined);
        return await textsOf(log, topic).catch(() => []);
      },
      (texts) => texts.length > 0,
      60_000,
    );
    assert.deepEqual(all, ['0', 'before', 'after']);
  });

  it('sends nothing twice to a node of a cluster whose reply is lost', async () => {
    await using broker = await startRedisCluster();
    await using direct = await openConnection({}, broker.url);
    const key = '{duobus:test}';
    const { commands } = direct;
    assert.ok(commands instanceof Cluster);
    const owner = await ownerOf(commands, broker.nodes, key);
    await using proxy = await Proxy.to('127.0.0.1', portOf(owner));
    const announced = String(portOf(proxy));
    await owner.ctl('config', 'set', 'cluster-announce-port', announced);
    for (const node of broker.nodes)
      await eventually(
        () => node.ctl('cluster', 'slots'),
        (slots) => slots.includes(announced),
      );
    await using connection = await openConnection({}, broker.url);
    const count = () => connection.with('publishing', 'count', (client) => client.incr(key));
    // its connection to the node is there from now on
    assert.equal(await count(), 1);
    // settles when something is lost, be it the reply to whatever else is said on connections
    void proxy.mute();
    const failed = assert.rejects(count(), (error) => BusError.is(error, 'DUOBUS_UNAVAILABLE'));
    await eventually(
      () => owner.ctl('get', key),
      (counted) => counted.trim() === '2',
    );
    proxy.cut();
    await failed;
    await connection.open(soon());
    assert.equal(await count(), 3);
  });

  it('follows a slot that moves to another node', async () => {
    await using broker = await startRedisCluster();
    await using log = await openLog({}, broker.url);
    const topic = await makeTopic(log);
    const { commands } = log.native;
    assert.ok(commands instanceof Cluster);
    const { log: key } = partitionKeys(topic, 0);
    const slot = String(await commands.cluster('KEYSLOT', key));
    await log.append(topic, 0, records(['a']), soon());
    const ids = await Promise.all(broker.nodes.map((node) => node.ctl('cluster', 'myid')));
    const owns = await Promise.all(
      broker.nodes.map((node) => node.ctl('cluster', 'countkeysinslot', slot)),
    );
    const from = owns.findIndex((count) => Number(count) > 0);
    const to = (from + 1) % 3;
    const [source, target] = [broker.nodes[from], broker.nodes[to]];
    const id = (at: number): string => (ids[at] ?? '').trim();
    await target?.ctl('cluster', 'setslot', slot, 'importing', id(from));
    await source?.ctl('cluster', 'setslot', slot, 'migrating', id(to));
    const keys = ((await source?.ctl('cluster', 'getkeysinslot', slot, '100')) ?? '')
      .trim()
      .split('\n');
    const port = new URL(target?.url ?? '').port;
    await source?.ctl('migrate', '127.0.0.1', port, '', '0', '5000', 'keys', ...keys);
    for (const node of [target, source])
      await node?.ctl('cluster', 'setslot', slot, 'node', id(to));
    // several calls under way: those that are sent on must not overtake each other
    const batches = numbered(0, 20).map((text) => records([text]));
    for (const batch of batches) await appendUntilStored(log, topic, batch);
    assert.deepEqual(await textsOf(log, topic), ['a', ...numbered(0, 20)]);
  });

  it('asks sentinels for the master, and for the new one after a failover', async () => {
    await using broker = await startRedisSentinel();
    const hosts = broker.addresses.map(({ host, port }) => `${host}:${port}`).join(',');
    const url = `redis://${hosts}/?sentinel=${broker.masterName}`;
    await using log = await openLog({}, url);
    await using careful = await openLog(waiting, url);
    const topic = await makeTopic(log);
    await appendUntilStored(careful, topic, records(['before']));
    await broker.master.kill9();
    await appendUntilStored(log, topic, records(['after']));
    await log.open(soon());
    assert.deepEqual(await textsOf(log, topic), ['before', 'after']);
  });
});
