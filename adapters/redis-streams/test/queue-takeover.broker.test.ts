import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { soon } from './support/connection.ts';
import {
  client,
  consume,
  die,
  eventually,
  openDriver,
  publish,
  subscription,
  untilEmpty,
  untilGone,
} from './support/queues.ts';

/** The server's clock, in ms. */
async function timeOf(driver: Parameters<typeof client>[0]): Promise<number> {
  const [seconds, micros] = await client(driver).time();
  return Number(seconds) * 1_000 + Number(micros) / 1_000;
}

describe('takeover on Redis', () => {
  it('hands what a dead consumer held to another, which is told so', async () => {
    await using driver = await openDriver({ leaseMs: 1_000 });
    const doomed = await openDriver({ leaseMs: 1_000 });
    await using made = await subscription(driver);
    const { topic } = made;
    await publish(driver, topic, 0, 'a', 'b', 'c');
    const victim = await consume(doomed, topic);
    await victim.take(3);
    await victim.done(victim.find('b'));
    await victim.member.note(victim.find('c').token, 'tried');
    die(doomed);
    const heir = await consume(driver, topic);
    await heir.take(2);
    assert.deepEqual(
      heir.leased.map(({ headers, redelivered, state }) => [headers['id'], redelivered, state]),
      [
        ['a', true, undefined],
        ['c', true, 'tried'],
      ],
    );
    await heir.done(...heir.leased);
    await heir.member.close();
    await doomed.close();
    await untilEmpty(driver, topic);
    const log = `{duobus:e:${topic.name}}:log:0`;
    const consumers = (await client(driver).xinfo('CONSUMERS', log, 'sub:1')) as string[][];
    assert.deepEqual(
      consumers.map(([, name]) => name),
      ['~'],
    );
  });

  it('takes nothing from a consumer that is slow, however long', async () => {
    await using driver = await openDriver({ leaseMs: 1_000 });
    await using other = await openDriver({ leaseMs: 1_000 });
    await using made = await subscription(driver);
    const { topic } = made;
    await publish(driver, topic, 0, 'a');
    const slow = await consume(driver, topic, 'main', 1);
    await slow.take(1);
    const idle = await consume(other, topic);
    const from = await timeOf(driver);
    await eventually(
      () => timeOf(driver),
      (time) => time > from + 3_000,
    );
    await publish(driver, topic, 0, 'sentinel');
    await idle.take(1);
    assert.deepEqual(idle.ids, ['sentinel']);
    assert.deepEqual(await slow.done(slow.find('a')), ['settled']);
    await idle.done(...idle.leased);
    await Promise.all([slow.member.close(), idle.member.close()]);
    await untilEmpty(driver, topic);
  });

  it('ends a consumer that was taken for dead, which then settles nothing', async () => {
    await using driver = await openDriver({ leaseMs: 600_000 });
    await using other = await openDriver({ leaseMs: 600_000 });
    await using made = await subscription(driver);
    const { topic } = made;
    await driver.ensureSubscription(topic, 'beside', 'create', soon());
    await publish(driver, topic, 0, 'a', 'b', 'c', 'd');
    const frozen = await consume(driver, topic, 'main', 4);
    await frozen.take(4);
    const live = `{duobus:e:${topic.name}}:s:1:live`;
    const [member] = await client(driver).zrange(live, '0', '0');
    await client(driver).zadd(live, 'XX', '0', String(member));
    const heir = await consume(other, topic);
    await heir.take(4);
    const tokens = frozen.leased.map(({ token }) => token);
    assert.deepEqual(
      await frozen.member.settle([
        { token: tokens[0], verdict: 'done' },
        { token: tokens[1], verdict: 'again', delayMs: 0, state: 's' },
        { token: tokens[2], verdict: 'dead', state: 's' },
      ]),
      ['lost', 'lost', 'lost'],
    );
    assert.equal(await frozen.member.note(tokens[3], 's'), 'lost');
    // a new credit makes it read, which says that it is over
    await frozen.until(({ events }) => events.some(({ type }) => type === 'lost'));
    await frozen.member.close();
    assert.deepEqual(
      await heir.done(...heir.leased),
      heir.leased.map(() => 'settled'),
    );
    await heir.member.close();
    const { ready } = await driver.inspect(topic, 'beside', soon());
    assert.equal(ready, 4, 'what it settled in vain counts for nobody');
    assert.equal(await client(driver).xlen(`{duobus:e:${topic.name}}:log:0`), 4);
    await driver.removeSubscription(topic, 'beside', soon());
    await untilEmpty(driver, topic);
  });

  it('gives the next consumer of a process at once what it held when its connection was lost', async () => {
    await using driver = await openDriver({ leaseMs: 600_000 });
    await using made = await subscription(driver);
    const { topic } = made;
    await publish(driver, topic, 0, 'a', 'b');
    const first = await consume(driver, topic);
    await first.take(2);
    await first.done(first.find('a'));
    die(driver);
    await first.until(({ events }) => events.some(({ type }) => type === 'lost'));
    await first.member.close();
    await driver.open(soon());
    const next = await consume(driver, topic);
    await next.take(1);
    assert.deepEqual([next.ids, next.find('b').redelivered], [['b'], true]);
    await next.done(...next.leased);
    await next.member.close();
    await untilGone(driver, topic);
    await untilEmpty(driver, topic);
  });
});
