import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readScript } from '../src/event-scripts.ts';
import { Connection } from '../src/connection.ts';
import { optionsOfUrl, settingsOf } from '../src/options.ts';
import { testUrl } from '@duobus/brokers';
import { soon } from './support/connection.ts';
import {
  client,
  consume,
  die,
  keysOf,
  openDriver,
  publish,
  subscription,
  untilEmpty,
} from './support/queues.ts';

describe('queues ordered by key on Redis', () => {
  it('shares the partitions among the consumers, and moves them when one comes or leaves', async () => {
    await using driver = await openDriver({ leaseMs: 2_000 });
    await using other = await openDriver({ leaseMs: 2_000 });
    await using made = await subscription(driver, 'key', 4);
    const { topic } = made;
    const one = await consume(driver, topic);
    await one.until((reader) => reader.partitions('assigned').length === 4);
    const two = await consume(other, topic);
    await one.until((reader) => reader.partitions('revoking').length === 2);
    const moving = one.partitions('revoking');
    await Promise.all(moving.map((partition) => one.member.release(partition)));
    await two.until((reader) => reader.partitions('assigned').length === 2);
    assert.deepEqual(two.partitions('assigned').toSorted(), moving.toSorted());
    assert.equal((await driver.inspect(topic, 'sub', soon())).consumers, 2);
    await two.member.close();
    await one.until((reader) => reader.partitions('assigned').length === 6);
    await one.member.close();
    await untilEmpty(driver, topic);
  });

  it('gives back in order when a partition moves, before what is newer', async () => {
    await using driver = await openDriver({ leaseMs: 2_000 });
    await using made = await subscription(driver, 'key', 1);
    const { topic } = made;
    await publish(driver, topic, 0, 'a', 'b', 'c', 'd');
    const first = await consume(driver, topic, 'main', 4);
    await first.take(4);
    await publish(driver, topic, 0, 'e', 'f');
    await first.member.settle([
      { token: first.find('a').token, verdict: 'done' },
      ...['d', 'c'].map(
        (id) => ({ token: first.find(id).token, verdict: 'back', state: id }) as const,
      ),
    ]);
    await first.member.close();
    const next = await consume(driver, topic, 'main', 10);
    await next.take(5);
    assert.deepEqual(
      next.leased.map(({ headers, redelivered, state }) => [headers['id'], redelivered, state]),
      [
        ['b', true, undefined],
        ['c', false, 'c'],
        ['d', false, 'd'],
        ['e', false, undefined],
        ['f', false, undefined],
      ].toSorted(([a], [b]) => String(a).localeCompare(String(b))),
    );
    await next.done(...next.leased);
    await next.member.close();
    await untilEmpty(driver, topic);
  });

  it('takes over from a dead owner, in order, before what is newer', async () => {
    await using driver = await openDriver({ leaseMs: 1_000 });
    const doomed = await openDriver({ leaseMs: 1_000 });
    await using made = await subscription(driver, 'key', 1);
    const { topic } = made;
    // more than ten within a millisecond: their ids do not sort as text
    const ids = Array.from({ length: 24 }, (_, at) => `n${at}`);
    await publish(driver, topic, 0, ...ids);
    const victim = await consume(doomed, topic);
    await victim.take(24);
    await victim.done(victim.find('n1'));
    die(doomed);
    await publish(driver, topic, 0, 'later');
    const heir = await consume(driver, topic);
    await heir.take(24);
    assert.deepEqual(
      heir.leased.map(({ headers, redelivered }) => [headers['id'], redelivered]),
      [...ids.filter((id) => id !== 'n1').map((id) => [id, true]), ['later', false]],
    );
    await heir.done(...heir.leased);
    await heir.member.close();
    await doomed.close();
    await untilEmpty(driver, topic);
  });

  it('has what it owned at once again after a lost connection', async () => {
    await using driver = await openDriver({ leaseMs: 600_000 });
    await using made = await subscription(driver, 'key', 2);
    const { topic } = made;
    await publish(driver, topic, 1, 'a', 'b');
    const first = await consume(driver, topic);
    await first.take(2);
    die(driver);
    await first.until(({ events }) => events.some(({ type }) => type === 'lost'));
    await first.member.close();
    await driver.open(soon());
    const next = await consume(driver, topic);
    await next.take(2);
    assert.deepEqual(next.ids, ['a', 'b']);
    await next.done(...next.leased);
    await next.member.close();
  });

  it('refuses what an earlier owner still does', async () => {
    await using driver = await openDriver({ leaseMs: 600_000 });
    await using made = await subscription(driver, 'key', 1);
    const { topic } = made;
    await publish(driver, topic, 0, 'a', 'b');
    const owner = await consume(driver, topic, 'main', 1);
    await owner.take(1);
    const sub = `{duobus:e:${topic.name}}:s:1`;
    // as another does that takes over
    await client(driver).hincrby(`${sub}:fences`, '0', 1);
    assert.deepEqual(await owner.done(owner.find('a')), ['lost']);
    assert.equal(await owner.member.note(owner.find('a').token, 's'), 'lost');
    await using connection = Object.assign(
      new Connection(settingsOf(optionsOfUrl(testUrl('redis')))),
      { [Symbol.asyncDispose]: () => connection.close() },
    );
    await connection.open(soon());
    const reply = await connection.run(
      'commands',
      readScript,
      [`{duobus:e:${topic.name}}`],
      ['sub', '1', 0, '1', 'any', 10],
    );
    assert.deepEqual(reply, ['lost']);
    assert.equal((await driver.inspect(topic, 'sub', soon())).ready, 1, 'it has read nothing more');
    await owner.member.close();
  });

  it('reads a partition that was added from its first document on', async () => {
    await using driver = await openDriver({ leaseMs: 1_000 });
    await using made = await subscription(driver, 'key', 1);
    const { topic } = made;
    await driver.ensureSubscription(topic, 'idle', 'create', soon());
    const reader = await consume(driver, topic);
    await reader.until((each) => each.partitions('assigned').length === 1);
    const grown = await driver.alterTopic(topic, { ...topic, partitions: 3 }, soon());
    await publish(driver, grown, 2, 'first');
    await reader.take(1);
    assert.deepEqual(reader.ids, ['first']);
    assert.equal((await driver.inspect(grown, 'idle', soon())).ready, 1);
    await reader.done(...reader.leased);
    await reader.member.close();
    await driver.removeSubscription(grown, 'idle', soon());
    await untilEmpty(driver, grown);
  });

  it('redrives to the owner of the partition', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver, 'key', 4);
    const { topic } = made;
    await publish(driver, topic, 3, 'a');
    const reader = await consume(driver, topic);
    await reader.take(1);
    await reader.member.settle([{ token: reader.find('a').token, verdict: 'dead', state: 'dead' }]);
    const dead = await consume(driver, topic, 'dead');
    await dead.take(1);
    const again = { token: dead.find('a').token, verdict: 'again', delayMs: 0, state: 'redrive' };
    await dead.member.settle([again as never]);
    await dead.member.close();
    await reader.take(2);
    const [, redriven] = reader.leased;
    assert.deepEqual([redriven?.state, redriven?.redelivered], ['redrive', false]);
    assert.ok(reader.events.some((event) => event.type === 'records' && event.partition === 3));
    assert.deepEqual(await reader.done(redriven as never), ['settled']);
    await reader.member.close();
    await untilEmpty(driver, topic);
    await driver.removeSubscription(topic, 'sub', soon());
    assert.deepEqual(await keysOf(driver, topic), ['meta']);
  });

  it('leaves one consumer in a group however often owners change', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver, 'key', 1);
    const { topic } = made;
    for (const id of ['a', 'b', 'c', 'd']) {
      await publish(driver, topic, 0, id);
      const reader = await consume(driver, topic);
      await reader.take(1);
      await reader.done(...reader.leased);
      await reader.member.close();
    }
    const log = `{duobus:e:${topic.name}}:log:0`;
    const consumers = await client(driver).xinfo('CONSUMERS', log, 'sub:1');
    assert.equal((consumers as unknown[]).length, 1);
  });
});
