import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Broker, startBroker } from '@duobus/brokers';
import { type Bus, connect, type Secret, topic } from '@duobus/core';
import { BusError } from '@duobus/core/driver';
import { eventually } from './support/driver.ts';

const Numbers = topic<{ n: number }>('numbers', { key: ({ n }) => `k${n % 3}` });
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);

describe('a password that changes', () => {
  let broker: Broker;
  before(async () => {
    broker = await startBroker('rabbitmq');
    await broker.ctl('add_user', 'ada', 'one');
    await broker.ctl('set_permissions', 'ada', '.*', '.*', '.*');
  });
  after(() => broker.stop());

  const open = (password: Secret, more: object = {}): Promise<Bus> => {
    const { host } = new URL(broker.url);
    const options = { username: async () => 'ada', password, ...more };
    return connect({ url: `amqp://${host}`, options }, { source: '/test' });
  };

  it('is asked for again by a reconnect, which goes on although the old one comes first', async () => {
    let asked = 0;
    let current = 'one';
    await using bus = await open(() => {
      asked += 1;
      return current;
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
    await publish(range(0, 20));

    await broker.ctl('change_password', 'ada', 'two');
    const before = asked;
    await broker.ctl('close_all_connections', 'rotation');
    const published = publish(range(20, 40));
    // the broker knows the new one first: whoever gives the old one is refused
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
  });

  it('is an error that says what is wrong when there was none before, and tells no secret', async () => {
    const hush = 'hunter2';
    const wrong: readonly [password: () => string, code: string, says: RegExp][] = [
      [() => hush, 'DUOBUS_PERMISSION', /check the user, its password/],
      [() => ({ hush }) as never, 'DUOBUS_INVALID', /rabbitmq: password: .*returned an object/],
    ];
    for (const [password, code, says] of wrong)
      await assert.rejects(open(password), (error) => {
        assert.ok(BusError.is(error) && error.code === code, String(error));
        assert.match(error.message, says);
        assert.ok(!`${error.message}${String(error.cause)}`.includes(hush));
        return true;
      });
  });

  it('does not keep connect waiting longer than it waits for the broker', async () => {
    const silent = (): Promise<string> => new Promise(() => undefined);
    const { host } = new URL(broker.url);
    await assert.rejects(
      connect(
        { url: `amqp://${host}`, options: { password: silent, connectTimeoutMs: 100 } },
        { source: '/test', connectTimeoutMs: 1_000 },
      ),
      (error) => {
        assert.ok(BusError.is(error, 'DUOBUS_UNAVAILABLE'), String(error));
        assert.match(error.message, /functions that were given for password have not all answered/);
        return true;
      },
    );
  });
});
