import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Broker, startBroker, users } from '@duobus/brokers';
import { type Bus, connect, type Secret, topic } from '@duobus/core';
import { BusError } from '@duobus/core/driver';
import { eventually, quick } from './support/driver.ts';

const Numbers = topic<{ n: number }>('numbers', { key: ({ n }) => `k${n % 3}` });
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);
const mechanism = 'SCRAM-SHA-512';
const user = users.find((one) => one.mechanism === mechanism);

describe('a password that changes', () => {
  let broker: Broker;
  before(async () => {
    broker = await startBroker('kafka', { sasl: true });
  });
  after(() => broker.stop());

  const open = (password: Secret): Promise<Bus> => {
    const address = String(broker.endpoints.saslPlain).replace(/^kafka:\/\//, '');
    const sasl = { mechanism: 'scram-sha-512', username: () => user?.username, password };
    return connect(
      { url: `kafka://${address}`, options: { ...quick, sasl } },
      { source: '/test', publishTimeoutMs: 60_000 },
    );
  };

  const setPassword = (password: string): Promise<string> =>
    broker.ctl(
      'kafka.admin.ConfigCommand',
      '--bootstrap-server',
      broker.url.replace(/^kafka:\/\//, ''),
      '--alter',
      '--add-config',
      `${mechanism}=[password=${password}]`,
      '--entity-type',
      'users',
      '--entity-name',
      String(user?.username),
    );

  it('is asked for again by a reconnect, which goes on although the old one comes first', async () => {
    assert.ok(user !== undefined);
    let asked = 0;
    let current = user.password;
    await using bus = await open(async () => {
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

    await setPassword('two');
    await broker.restart();
    const before = asked;
    const published = publish(range(20, 40));
    // the broker knows the new one first: whoever gives the old one is refused
    await eventually(
      async () => asked,
      (count) => count > before + 8,
    );
    current = 'two';
    await published;
    for (const got of Object.values(handled))
      await eventually(
        async () => got.size,
        (size) => size === 40,
        60_000,
      );
    assert.deepEqual([queue.state, group.state], ['running', 'running']);
    assert.ok((await bus.health()).ok);
  });

  it('ends nothing when connections are added while the old one comes', async () => {
    let asked = 0;
    let current = 'three';
    await setPassword(current);
    await using bus = await open(() => {
      asked += 1;
      return current;
    });
    await bus.data.publish(Numbers, { n: 1 });
    await setPassword('four');
    const before = asked;
    const handled: number[] = [];
    const subscribing = bus.data.subscribe(Numbers, 'added', ({ n }) => handled.push(n));
    await eventually(
      async () => asked,
      (count) => count > before + 3,
    );
    current = 'four';
    await subscribing;
    await eventually(
      async () => handled,
      ({ length }) => length > 0,
    );
  });

  it('is an error that says what is wrong when there was none before, and tells no secret', async () => {
    const hush = 'hunter2';
    const wrong: readonly [password: () => string, code: string, says: RegExp][] = [
      [() => hush, 'DUOBUS_PERMISSION', /refuses the user or password/],
      [() => ({ hush }) as never, 'DUOBUS_INVALID', /kafka: sasl.password: .*an object/],
    ];
    for (const [password, code, says] of wrong)
      await assert.rejects(open(password), (error) => {
        assert.ok(BusError.is(error) && error.code === code, String(error));
        assert.match(error.message, says);
        assert.ok(!`${error.message}${String(error.cause)}`.includes(hush));
        return true;
      });
  });
});
