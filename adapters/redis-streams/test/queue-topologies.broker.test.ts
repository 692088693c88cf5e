import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startRedisCluster } from '@duobus/brokers';
import { Cluster } from 'ioredis';
import { soon } from './support/connection.ts';
import {
  consume,
  eventually,
  openDriver,
  patiently,
  publish,
  type Reader,
  records,
  subscription,
  type TestDriver,
} from './support/queues.ts';

/** There is no replica any more once it has become the master. */
const waiting = { waitReplicas: 1, waitTimeoutMs: 2_000 };

/** The port of the master that has a key. */
async function portOf(driver: TestDriver, key: string): Promise<number> {
  const { commands } = driver.native;
  assert.ok(commands instanceof Cluster);
  const slot = await commands.cluster('KEYSLOT', key);
  const slots = (await commands.cluster('SLOTS')) as readonly (readonly unknown[])[];
  const range = slots.find(([from, to]) => slot >= Number(from) && slot <= Number(to));
  const [, , master] = (range ?? []) as readonly (readonly unknown[])[];
  return Number(master?.[1]);
}

async function publishUntilStored(
  driver: TestDriver,
  topic: Awaited<ReturnType<typeof subscription>>['topic'],
  ids: readonly string[],
): Promise<void> {
  const batch = records(...ids);
  await eventually(
    () => patiently(driver, () => driver.publish(topic, 0, batch, soon())),
    (outcomes) => outcomes.every(({ status }) => status === 'stored'),
    60_000,
  );
}

describe('queues on a cluster of Redis', () => {
  it('keep, over a failover, what a replica has confirmed, and go on', async () => {
    await using broker = await startRedisCluster({ replicas: 1 });
    await using driver = await openDriver({}, broker.url);
    await using careful = await openDriver(waiting, broker.url);
    assert.ok(careful.capabilities.durability.leaderLoss);
    await using made = await subscription(driver, 'key', 2);
    const { topic } = made;
    await driver.ensureSubscription(topic, 'other', 'create', soon());
    const ids = Array.from({ length: 50 }, (_, at) => `n${at}`);
    await publishUntilStored(careful, topic, ids);
    const early = await consume(driver, topic);
    await early.take(50);
    await early.member.close();
    const port = await portOf(driver, `{duobus:e:${topic.name}}:log:0`);
    const master = broker.nodes.find(({ url }) => Number(new URL(url).port) === port);
    await master?.kill9();
    await publishUntilStored(driver, topic, ['after']);
    let reader: Reader | undefined;
    await eventually(
      async () => {
        reader ??= await patiently(driver, () => consume(driver, topic));
        try {
          return (await reader.take(51)).length;
        } catch {
          await reader.member.close();
          reader = undefined;
          return 0;
        }
      },
      (count) => count >= 51,
      60_000,
    );
    assert.deepEqual(reader?.ids, [...ids, 'after']);
    await reader?.done(...(reader?.leased ?? []));
    await reader?.member.close();
    assert.equal((await driver.inspect(topic, 'other', soon())).ready, 51);
    await driver.removeSubscription(topic, 'other', soon());
    await publish(driver, topic, 1, 'last');
  });
});
