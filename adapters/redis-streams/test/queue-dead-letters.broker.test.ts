import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { soon } from './support/connection.ts';
import {
  client,
  consume,
  die,
  idOf,
  keysOf,
  openDriver,
  publish,
  type Reader,
  subscription,
  type TestDriver,
  untilEmpty,
} from './support/queues.ts';
import type { StoredTopic } from '@duobus/core/driver';

const isIdle = ({ events }: Reader): boolean => events.some(({ type }) => type === 'idle');

async function kill(driver: TestDriver, topic: StoredTopic, ...ids: string[]): Promise<void> {
  await publish(driver, topic, 0, ...ids);
  const reader = await consume(driver, topic);
  await reader.take(ids.length);
  const dead = ids.map((id) => ({
    token: reader.find(id).token,
    verdict: 'dead' as const,
    state: `dead ${id}`,
  }));
  assert.deepEqual(
    await reader.member.settle(dead),
    ids.map(() => 'settled'),
  );
  await reader.member.close();
}

describe('dead letters on Redis', () => {
  it('lists them as often as one likes, and moves nothing by it', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    const ids = Array.from({ length: 120 }, (_, at) => `n${at}`);
    await kill(driver, topic, ...ids.slice(0, 60));
    await kill(driver, topic, ...ids.slice(60));
    for (let pass = 0; pass < 2; pass += 1) {
      const lister = await consume(driver, topic, 'dead');
      await lister.until(isIdle);
      assert.deepEqual(lister.ids, ids);
      assert.equal(lister.find('n7').state, 'dead n7');
      await lister.member.close();
    }
    assert.equal((await driver.inspect(topic, 'sub', soon())).dead, 120);
    await driver.removeSubscription(topic, 'sub', soon());
    assert.deepEqual(await keysOf(driver, topic), ['meta']);
  });

  it('says at once that there are none', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const lister = await consume(driver, made.topic, 'dead');
    await lister.until(isIdle);
    assert.deepEqual(lister.ids, []);
    await lister.member.close();
  });

  it('lets one list at a time, in all processes, and the next one when that one ends', async () => {
    await using driver = await openDriver({ leaseMs: 600_000 });
    await using other = await openDriver({ leaseMs: 600_000 });
    await using made = await subscription(driver);
    const { topic } = made;
    await kill(driver, topic, 'a', 'b');
    const first = await consume(driver, topic, 'dead');
    await first.until(isIdle);
    const second = await consume(other, topic, 'dead');
    const waiting = second.until(isIdle).then(() => 'listed');
    assert.deepEqual(await first.done(first.find('a')), ['settled']);
    await first.member.close();
    assert.equal(await waiting, 'listed');
    assert.deepEqual(second.ids, ['b']);
    await second.member.close();
  });

  it('waits no longer for a lister that has died than its lease', async () => {
    await using driver = await openDriver({ leaseMs: 1_000 });
    const doomed = await openDriver({ leaseMs: 1_000 });
    await using made = await subscription(driver);
    const { topic } = made;
    await kill(driver, topic, 'a');
    const first = await consume(doomed, topic, 'dead');
    await first.until(isIdle);
    die(doomed);
    const second = await consume(driver, topic, 'dead');
    await second.until(isIdle);
    assert.deepEqual(second.ids, ['a']);
    await second.member.close();
    await first.member.close();
    await doomed.close();
  });

  it('keeps later states, and redrives to its own subscription alone', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    await driver.ensureSubscription(topic, 'other', 'create', soon());
    await kill(driver, topic, 'a', 'b', 'c');
    const lister = await consume(driver, topic, 'dead');
    await lister.until(isIdle);
    assert.equal(await lister.member.note(lister.find('a').token, 'noted'), 'kept');
    assert.deepEqual(
      await lister.member.settle([
        { token: lister.find('b').token, verdict: 'again', delayMs: 0, state: 'once more' },
        { token: lister.find('c').token, verdict: 'done' },
      ]),
      ['settled', 'settled'],
    );
    await lister.member.close();
    const left = await consume(driver, topic, 'dead');
    await left.until(isIdle);
    assert.deepEqual(
      left.leased.map((each) => [idOf(each), each.state]),
      [['a', 'noted']],
    );
    await left.done(left.find('a'));
    await left.member.close();
    const reader = await consume(driver, topic);
    await reader.take(1);
    assert.deepEqual([reader.ids, reader.find('b').state], [['b'], 'once more']);
    assert.equal((await driver.inspect(topic, 'other', soon())).ready, 3);
    await reader.member.settle([
      { token: reader.find('b').token, verdict: 'again', delayMs: 1, state: 'retried' },
    ]);
    await reader.take(2);
    assert.equal(reader.find('b').state, 'retried');
    await reader.done(reader.find('b'));
    await reader.member.close();
    await driver.removeSubscription(topic, 'other', soon());
    await untilEmpty(driver, topic);
    assert.equal(await client(driver).xlen(`{duobus:e:${topic.name}}:s:1:own:0`), 0);
  });

  it('redrives after a delay', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    await kill(driver, topic, 'a', 'b');
    const lister = await consume(driver, topic, 'dead');
    await lister.until(isIdle);
    const from = performance.now();
    await lister.member.settle([
      { token: lister.find('a').token, verdict: 'again', delayMs: 300, state: 'late' },
      { token: lister.find('b').token, verdict: 'again', delayMs: 0, state: 'soon' },
    ]);
    await lister.member.close();
    const { ready, delayed } = await driver.inspect(topic, 'sub', soon());
    assert.deepEqual([ready, delayed], [1, 1]);
    const reader = await consume(driver, topic);
    await reader.take(2);
    assert.deepEqual(reader.ids, ['b', 'a']);
    assert.ok(performance.now() - from >= 299);
    await reader.done(...reader.leased);
    await reader.member.close();
    await untilEmpty(driver, topic);
  });

  it('returns a redriven document that was held by a consumer that died', async () => {
    await using driver = await openDriver({ leaseMs: 1_000 });
    const doomed = await openDriver({ leaseMs: 1_000 });
    await using made = await subscription(driver);
    const { topic } = made;
    await kill(driver, topic, 'a');
    const lister = await consume(driver, topic, 'dead');
    await lister.until(isIdle);
    await lister.member.settle([
      { token: lister.find('a').token, verdict: 'again', delayMs: 0, state: 'redriven' },
    ]);
    await lister.member.close();
    const victim = await consume(doomed, topic);
    await victim.take(1);
    die(doomed);
    const heir = await consume(driver, topic);
    await heir.take(1);
    assert.deepEqual([heir.find('a').redelivered, heir.find('a').state], [true, 'redriven']);
    await heir.done(...heir.leased);
    await heir.member.close();
    await doomed.close();
    await untilEmpty(driver, topic);
  });
});
