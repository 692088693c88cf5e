import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { after, describe, it, type TestContext } from 'node:test';
import { testUrl } from '@duobus/brokers';
import { type Bus, connect, type Handle, topic, type Topic } from '@duobus/core';
import type { SnsSqsOptions } from '../src/options.ts';
import { keep, kept, updating } from './support/kept.ts';
import { Proxy, type Seen } from './support/proxy.ts';
import { endpoint } from './support/queue-connection.ts';
import { eventually } from './support/queues.ts';
import { countRequests, type Requests, sum, times } from './support/requests.ts';

interface Doc {
  readonly n: number;
}

/** What the documentation shows: requests by what is done. */
interface Costs {
  readonly thousand: Record<string, Requests>;
  readonly idleHour: Record<string, Requests>;
}

const found: Costs = { thousand: {}, idleHour: {} };

const kinds = ['events without order', 'events in order by key', 'data'] as const;
type Kind = (typeof kinds)[number];

function newTopic(kind: Kind): Topic<Doc> {
  const order = kind === 'events in order by key' ? 'key' : 'none';
  return topic<Doc>(`costs-${randomUUID()}`, { order, key: ({ n }) => `k${n % 50}` });
}

interface Process extends AsyncDisposable {
  readonly bus: Bus;
  readonly proxy: Proxy;
}

async function start(options: SnsSqsOptions = {}): Promise<Process> {
  const proxy = await Proxy.to(endpoint());
  const bus = await connect(
    { url: testUrl('sns-sqs'), options: { ...options, endpoint: proxy.url } },
    { source: '/costs' },
  );
  return {
    bus,
    proxy,
    async [Symbol.asyncDispose]() {
      await bus.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

const subscribe = (bus: Bus, kind: Kind, to: Topic<Doc>): Promise<Handle> =>
  kind === 'data'
    ? bus.data.subscribe(to, 'costs', () => undefined)
    : bus.events.subscribe(to, 'costs', () => undefined);

const remove = (bus: Bus, kind: Kind, to: Topic<Doc>): Promise<void> =>
  kind === 'data' ? bus.data.remove(to, 'costs') : bus.events.unsubscribe(to, 'costs');

function told(t: TestContext, what: string, requests: Requests): void {
  const parts = Object.entries(requests).filter(([, count]) => count > 0);
  t.diagnostic(`${what}: ${parts.map(([kind, count]) => `${count} ${kind}`).join(', ')}`);
}

/** How much goes together depends on how fast this machine is. */
function assertAbout(section: keyof Costs, what: string, slack: number): void {
  const before = (kept('costs/sns-sqs.json') as Costs)[section][what];
  assert.ok(before, `nothing is kept of '${what}': run this test with UPDATE=1`);
  for (const [kind, count] of Object.entries(found[section][what] ?? {})) {
    const most = before[kind as keyof Requests] * 1.5 + slack;
    assert.ok(count <= most, `${what}: ${count} requests of ${kind}, not ${Math.floor(most)}`);
  }
}

describe('what duobus costs on AWS', () => {
  after(() => {
    if (updating) keep('costs/sns-sqs.json', found);
  });

  for (const kind of kinds)
    it(`is in step with what is known of 1,000 documents: ${kind}`, async (t) => {
      await using publisher = await start();
      await using consumer = await start();
      const to = newTopic(kind);
      const on = kind === 'data' ? publisher.bus.data : publisher.bus.events;
      const handle = await subscribe(consumer.bus, kind, to);
      // what is asked for once is not counted
      for (let n = 0; n < 50; n += 1) await on.publish(to, { n });
      const settled = (count: number): Promise<unknown> =>
        eventually(
          async () => handle.stats().settled,
          (now) => now >= count,
        );
      await settled(50);
      const measure = async (
        how: string,
        count: number,
        publish: () => Promise<unknown>,
      ): Promise<void> => {
        const before = handle.stats().settled;
        const from = [publisher, consumer].map(({ proxy }) => proxy.seen.length);
        await publish();
        await settled(before + count);
        [publisher, consumer].forEach(({ proxy }, at) => {
          const requests = countRequests(proxy.seen.slice(from[at]));
          const what = `${at === 0 ? 'publish' : 'consume'} ${kind}, ${how}`;
          found.thousand[what] = times(requests, 1_000 / count);
          told(t, what, found.thousand[what]);
        });
      };
      await measure('many at once', 1_000, async () => {
        const documents = Array.from({ length: 1_000 }, (_, n) => ({ n }));
        for (const { status } of await on.publishMany(to, documents))
          assert.equal(status, 'fulfilled');
      });
      // of the data bus the pointer is written once a second, whatever is handled
      const done = kind === 'data' ? 'handled' : 'settled';
      await measure('one by one', 40, async () => {
        for (let n = 0; n < 40; n += 1) {
          const before = handle.stats()[done];
          await on.publish(to, { n });
          await eventually(
            async () => handle.stats()[done],
            (now) => now > before,
          );
        }
      });
      await handle.close();
      await remove(consumer.bus, kind, to);
      if (updating) return;
      // one by one 40 documents stand for 1,000, and signs of life are written meanwhile
      for (const verb of ['publish', 'consume'])
        for (const how of ['many at once', 'one by one'])
          assertAbout('thousand', `${verb} ${kind}, ${how}`, how === 'one by one' ? 300 : 40);
    });

  it('is in step with what is known of an idle hour', async (t) => {
    const faster = 20;
    const options = {
      pollMs: 20_000 / faster,
      leaseMs: 30_000 / faster,
      lookEveryMs: 20_000 / faster,
    };
    // however fast: the record of every topic is read every 10 s, and of the data bus the number of partitions every 9 s
    const slow = { 'events without order': 360, 'events in order by key': 360, data: 720 + 400 };
    // and what is redriven is looked for every 5 s
    const isSlow = ({ path }: Seen): boolean => path.includes('duobus.dead');
    const windowMs = 5_000;
    await Promise.all(
      kinds.map(async (kind) => {
        await using idle = await start(options);
        const to = newTopic(kind);
        const handle = await subscribe(idle.bus, kind, to);
        if (kind !== 'events without order')
          await eventually(
            async () => handle.stats().partitions.length,
            (partitions) => partitions === 4,
          );
        // what is told at the beginning alone
        await pause(1_000);
        const from = idle.proxy.seen.length;
        const began = performance.now();
        await pause(windowMs);
        const hours = (performance.now() - began) / 3_600_000;
        const seen = idle.proxy.seen.slice(from);
        const fast = seen.filter((each) => !isSlow(each));
        const requests = sum(
          times(countRequests(fast), 1 / hours / faster),
          times(countRequests(seen.filter(isSlow)), 1 / hours),
        );
        const what = kind === 'events without order' ? kind : `${kind}, 4 partitions`;
        found.idleHour[what] = { ...requests, s3Get: requests.s3Get + slow[kind] };
        told(t, `an idle hour of ${what}`, found.idleHour[what]);
        await handle.close();
        await remove(idle.bus, kind, to);
        if (!updating) assertAbout('idleHour', what, 40);
      }),
    );
  });
});
