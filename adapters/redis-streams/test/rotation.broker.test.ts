import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type BrokerNode,
  startBroker,
  startRedisCluster,
  startRedisSentinel,
} from '@duobus/brokers';
import { type Bus, connect, topic } from '@duobus/core';
import { BusError } from '@duobus/core/driver';
import { Redis } from 'ioredis';
import type { RedisStreamsOptions } from '../src/index.ts';
import { eventually } from './support/log.ts';

const Numbers = topic<{ n: number }>('numbers', { key: ({ n }) => `k${n % 3}` });
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);

/** A user of all nodes, by the nodes' own word. */
async function setPassword(nodes: readonly BrokerNode[], password: string): Promise<void> {
  for (const { url } of nodes) {
    const admin = new Redis(url);
    await admin.call(
      'ACL',
      'SETUSER',
      'ada',
      'on',
      'resetpass',
      `>${password}`,
      '~*',
      '&*',
      '+@all',
    );
    admin.disconnect();
  }
}

/** Cuts connections of the user: those of one kind, or all. */
async function cut(nodes: readonly BrokerNode[], ...type: string[]): Promise<void> {
  for (const { url } of nodes) {
    const admin = new Redis(url);
    await admin.call('CLIENT', 'KILL', 'USER', 'ada', ...type);
    admin.disconnect();
  }
}

/** Opens a bus as the user, rotates, and looks whether everything comes. `cutting` may be repeated. */
async function rotates(
  url: string,
  options: RedisStreamsOptions,
  nodes: readonly BrokerNode[],
  cutting: () => Promise<void>,
): Promise<void> {
  let asked = 0;
  let current = 'one';
  await setPassword(nodes, current);
  const password = async (): Promise<string> => {
    asked += 1;
    return current;
  };
  await using bus: Bus = await connect(
    { url, options: { ...options, username: () => 'ada', password } },
    { source: '/test' },
  );
  const handled = { event: new Set<number>(), data: new Set<number>() };
  const queue = await bus.events.subscribe(Numbers, 's', ({ n }) => handled.event.add(n));
  const group = await bus.data.subscribe(Numbers, 'g', ({ n }) => handled.data.add(n));
  const publish = (numbers: readonly number[]) =>
    Promise.all(
      numbers.flatMap((n) => [
        bus.events.publish(Numbers, { n }),
        bus.data.publish(Numbers, { n }),
      ]),
    );
  await publish(range(0, 20));

  await setPassword(nodes, 'two');
  const before = asked;
  await cutting();
  const published = publish(range(20, 40));
  // the server knows the new one first: whoever gives the old one is refused
  await eventually(
    async () => asked,
    (count) => count > before + 3,
  );
  current = 'two';
  await published;
  for (const got of Object.values(handled))
    await eventually(
      async () => got.size,
      (size) => size === 40,
    );
  assert.deepEqual([queue.state, group.state], ['running', 'running']);
  assert.ok((await bus.health()).ok);
}

describe('a password that changes', () => {
  it('is asked for again by a reconnect, which goes on although the old one comes first', async () => {
    await using broker = await startBroker('redis');
    await rotates(broker.url, {}, [broker], () => cut([broker]));
  });

  it('is asked for again by a cluster', async () => {
    await using broker = await startRedisCluster();
    await rotates(broker.url, {}, broker.nodes, () => cut(broker.nodes));
  });

  it('is asked for again when one node of a cluster alone, or its bells, are connected to anew', async () => {
    await using broker = await startRedisCluster();
    const [node] = broker.nodes as readonly [BrokerNode];
    await rotates(broker.url, {}, broker.nodes, () => cut([node], 'TYPE', 'normal'));
    const quick = { silenceMs: 1_000, waitTimeoutMs: 500 };
    await rotates(broker.url, quick, broker.nodes, () => cut(broker.nodes, 'TYPE', 'pubsub'));
  });

  it('of sentinels and of the servers behind them is asked for', async () => {
    await using broker = await startRedisSentinel();
    const servers = [broker.master, broker.replica];
    await setPassword(broker.sentinels, 'hush');
    let sentinels = 0;
    const options: RedisStreamsOptions = {
      sentinelUsername: 'ada',
      sentinelPassword: () => {
        sentinels += 1;
        return 'hush';
      },
    };
    await rotates(broker.url, options, servers, () => cut(servers));
    assert.ok(sentinels > 3, String(sentinels));
  });

  it('is an error that says what is wrong when there was none before, and tells no secret', async () => {
    await using broker = await startBroker('redis');
    await setPassword([broker], 'one');
    const hush = 'hunter2';
    const wrong: readonly [password: () => string, code: string, says: RegExp][] = [
      [() => hush, 'DUOBUS_PERMISSION', /check username and password/],
      [() => ({ hush }) as never, 'DUOBUS_INVALID', /redis: password: .*returned an object/],
    ];
    for (const [password, code, says] of wrong)
      await assert.rejects(
        connect({ url: broker.url, options: { username: 'ada', password } }, { source: '/test' }),
        (error) => {
          assert.ok(BusError.is(error) && error.code === code, String(error));
          assert.match(error.message, says);
          assert.ok(!`${error.message}${String(error.cause)}`.includes(hush));
          return true;
        },
      );
  });
});
