import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { removeScript } from '../src/event-admin-scripts.ts';
import { openConnection, soon } from './support/connection.ts';
import {
  client,
  consume,
  eventually,
  keysOf,
  openDriver,
  publish,
  Reader,
  records,
  subscription,
  untilEmpty,
} from './support/queues.ts';

const numbered = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `n${from + at}`);

describe('removal of a subscription on Redis', () => {
  it('lets go of everything it had not settled, and of nothing else', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    await driver.ensureSubscription(topic, 'doomed', 'create', soon());
    await publish(driver, topic, 0, ...numbered(0, 450));
    const reader = await driver.consume(topic, 'doomed', 'main', 300, soon());
    const [event] = await reader.receive(soon());
    assert.ok(event?.type === 'records');
    const [done, delayed, dead] = event.records;
    await reader.settle([
      { token: done?.token, verdict: 'done' },
      { token: delayed?.token, verdict: 'again', delayMs: 60_000, state: 's' },
      { token: dead?.token, verdict: 'dead', state: 's' },
    ]);
    await driver.removeSubscription(topic, 'doomed', soon());
    await reader.close();
    assert.equal((await driver.inspect(topic, 'sub', soon())).ready, 450);
    const rest = await consume(driver, topic, 'main', 500);
    await rest.take(450);
    await rest.done(...rest.leased);
    await rest.member.close();
    await untilEmpty(driver, topic);
    assert.equal(await client(driver).xlen(`{duobus:e:${topic.name}}:log:0`), 0);
    await driver.removeSubscription(topic, 'sub', soon());
    assert.deepEqual(await keysOf(driver, topic), ['meta']);
  });

  it('removes what only it had, too', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver, 'key', 3);
    const { topic } = made;
    for (const partition of [0, 1, 2])
      await driver.publish(topic, partition, records(...numbered(0, 250)), soon());
    const reader = await consume(driver, topic, 'main', 50);
    await reader.take(100);
    await driver.removeSubscription(topic, 'sub', soon());
    await reader.until(({ events }) => events.some(({ type }) => type === 'gone'));
    await reader.member.close();
    assert.deepEqual(await keysOf(driver, topic), ['meta']);
  });

  it('is finished by others where who began it has died', async () => {
    await using driver = await openDriver({ leaseMs: 1_000 });
    await using connection = await openConnection();
    await using made = await subscription(driver);
    const { topic } = made;
    await driver.ensureSubscription(topic, 'doomed', 'create', soon());
    await publish(driver, topic, 0, ...numbered(0, 450));
    const reader = await consume(driver, topic, 'main', 500);
    await reader.take(450);
    await reader.done(...reader.leased);
    await connection.run('commands', removeScript, [`{duobus:e:${topic.name}}`], ['doomed']);
    await eventually(
      () => client(driver).xlen(`{duobus:e:${topic.name}}:log:0`),
      (length) => length === 0,
    );
    await eventually(
      () => keysOf(driver, topic),
      (keys) => keys.every((key) => !key.startsWith('s:2') && key !== 'gone'),
    );
    await reader.member.close();
  });

  it('does not touch one of the same name that is made meanwhile', async () => {
    await using driver = await openDriver({ leaseMs: 600_000 });
    await using connection = await openConnection();
    await using made = await subscription(driver);
    const { topic } = made;
    await publish(driver, topic, 0, ...numbered(0, 450));
    await connection.run('commands', removeScript, [`{duobus:e:${topic.name}}`], ['sub']);
    assert.equal(await driver.ensureSubscription(topic, 'sub', 'create', soon()), 'created');
    await publish(driver, topic, 0, 'mine');
    await driver.removeSubscription(topic, 'nobody', soon());
    const reader = await consume(driver, topic);
    await reader.take(1);
    assert.deepEqual(reader.ids, ['mine']);
    await reader.done(...reader.leased);
    await reader.member.close();
    await untilEmpty(driver, topic);
    assert.equal(await client(driver).xlen(`{duobus:e:${topic.name}}:log:0`), 0);
  });

  it('keeps what was published about the time of a new subscription for exactly those that were there', async () => {
    await using driver = await openDriver();
    await using other = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    let told = 0;
    const publishing = (async () => {
      for (let n = 0; n < 200; n += 1) {
        await publish(driver, topic, 0, `n${n}`);
        told = n + 1;
      }
    })();
    await eventually(
      async () => told,
      (count) => count > 50,
    );
    const before = told;
    await other.ensureSubscription(topic, 'late', 'create', soon());
    const after = told + 1;
    await publishing;
    const late = new Reader(await other.consume(topic, 'late', 'main', 500, soon()));
    await late.take(1);
    const first = Number(late.ids[0]?.slice(1));
    assert.ok(first >= before && first <= after, `${before} <= ${first} <= ${after}`);
    await late.take(200 - first);
    assert.deepEqual(late.ids, numbered(first, 200 - first));
    await late.done(...late.leased);
    await late.member.close();
    const reader = await consume(driver, topic, 'main', 500);
    await reader.take(200);
    await reader.done(...reader.leased);
    await reader.member.close();
    await untilEmpty(driver, topic);
    assert.equal(await client(driver).xlen(`{duobus:e:${topic.name}}:log:0`), 0);
    await driver.removeSubscription(topic, 'late', soon());
  });
});
