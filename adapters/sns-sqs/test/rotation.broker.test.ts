import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { testUrl } from '@duobus/brokers';
import { type Bus, connect, topic } from '@duobus/core';
import { BusError } from '@duobus/core/driver';
import type { SnsSqsOptions } from '../src/index.ts';
import { Proxy } from './support/proxy.ts';
import { endpoint } from './support/queue-connection.ts';
import { eventually } from './support/queues.ts';

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);

const keysOf = (accessKeyId: string) => ({ accessKeyId, secretAccessKey: `hush-${accessKeyId}` });

/** The emulator lets everybody in: the proxy says who is. */
function letIn(proxy: Proxy, valid: string): void {
  proxy.fault = ({ signer, service }) =>
    signer === valid
      ? undefined
      : { answer: 403, code: service === 'sqs' ? 'InvalidClientTokenId' : 'InvalidAccessKeyId' };
}

function open(proxy: Proxy, credentials: SnsSqsOptions['credentials']): Promise<Bus> {
  const options = { endpoint: proxy.url, pollMs: 1_000, visibilityMs: 2_000, credentials };
  return connect({ url: testUrl('sns-sqs'), options }, { source: '/test', settleIntervalMs: 10 });
}

describe('credentials that change', () => {
  it('are asked for again when they are refused, although the old ones come first', async () => {
    const Numbers = topic<{ n: number }>(`numbers-${randomUUID()}`, {
      key: ({ n }) => `k${n % 3}`,
    });
    await using proxy = await Proxy.to(endpoint());
    letIn(proxy, 'one');
    let asked = 0;
    let current = 'one';
    await using bus = await open(proxy, async () => {
      asked += 1;
      return keysOf(current);
    });
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
    await publish(range(0, 10));
    // not for every request: once by each half, or for both
    assert.ok(asked <= 2, String(asked));

    letIn(proxy, 'two');
    const published = publish(range(10, 20));
    await eventually(
      async () => asked,
      (count) => count > 6,
    );
    current = 'two';
    await published;
    for (const got of Object.values(handled))
      await eventually(
        async () => got.size,
        (size) => size === 20,
      );
    assert.deepEqual([queue.state, group.state], ['running', 'running']);
    assert.ok((await bus.health()).ok);
  });

  /** A bus whose keys last so long, and what asks for nothing but a request. */
  async function lasting(proxy: Proxy, ms: number) {
    let asked = 0;
    const bus = await open(proxy, () => {
      asked += 1;
      return { ...keysOf(`key${asked}`), expiration: new Date(Date.now() + ms) };
    });
    const request = async (): Promise<number> => {
      await bus.events.topics.list();
      return asked;
    };
    return { bus, request };
  }

  it('are asked for again before they end', async () => {
    await using proxy = await Proxy.to(endpoint());
    const { bus, request } = await lasting(proxy, 300);
    await using _bus = bus;
    await eventually(request, (asked) => asked > 4);
    assert.ok(new Set(proxy.seen.map(({ signer }) => signer)).size > 2);
  });

  it('are not asked for at every request, though they last for less than the time that is kept in hand', async () => {
    await using proxy = await Proxy.to(endpoint());
    const { bus, request } = await lasting(proxy, 120_000);
    await using _bus = bus;
    for (let n = 0; n < 5; n += 1) await request();
    assert.ok((await request()) <= 2, String(await request()));
  });

  it('are an error that says what is wrong when there were none before, and tells no secret', async () => {
    await using proxy = await Proxy.to(endpoint());
    letIn(proxy, 'nobody');
    const wrong: readonly [credentials: () => unknown, code: string, says: RegExp][] = [
      [() => keysOf('one'), 'DUOBUS_PERMISSION', /check the credentials/],
      [() => ({ key: 'hush' }), 'DUOBUS_INVALID', /sns-sqs: credentials: .*an object/],
    ];
    for (const [credentials, code, says] of wrong)
      await assert.rejects(open(proxy, credentials as never), (error) => {
        assert.ok(BusError.is(error) && error.code === code, String(error));
        assert.match(error.message, says);
        assert.ok(!`${error.message}${String(error.cause)}`.includes('hush'));
        return true;
      });
  });
});
