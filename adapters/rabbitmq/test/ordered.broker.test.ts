import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  consume,
  eventually,
  openDriver,
  publish,
  soon,
  subscription,
  untilEmpty,
} from './support/driver.ts';

const range = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `id-${index}`);

describe('order by key', { concurrency: 4 }, () => {
  it('owns all partitions alone and hands out each in its order', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver, 'key', 3);
    const reader = await consume(driver, sub.topic);
    await reader.until(() => reader.partitions('assigned').length === 3);
    for (const partition of [0, 1, 2])
      await publish(driver, sub.topic, partition, ...range(50).map((id) => `${partition}/${id}`));
    await reader.take(150);
    for (const partition of [0, 1, 2]) {
      const its = reader.events.flatMap((event) =>
        event.type === 'records' && event.partition === partition ? event.records : [],
      );
      assert.deepEqual(
        its.map(({ headers }) => headers['cloudEvents:id']),
        range(50).map((id) => `${partition}/${id}`),
      );
    }
    await reader.done(...reader.leased);
    await reader.member.close();
    await untilEmpty(driver, sub.topic);
  });

  it('gives up half of the partitions to a second member, which then owns them alone', async () => {
    await using driver = await openDriver();
    await using second = await openDriver();
    await using sub = await subscription(driver, 'key', 4);
    const first = await consume(driver, sub.topic);
    await first.until(() => first.partitions('assigned').length === 4);
    for (const partition of [0, 1, 2, 3])
      await publish(driver, sub.topic, partition, `before-${partition}`);
    await first.take(4);
    const joined = await consume(second, sub.topic);
    await first.until(() => first.partitions('revoking').length === 2);
    const moving = first.partitions('revoking');
    // what is settled before the release is not handed out by the next owner
    await first.done(...moving.map((partition) => first.find(`before-${partition}`)));
    for (const partition of moving) await first.member.release(partition);
    await joined.until(() => joined.partitions('assigned').length === 2);
    assert.deepEqual(joined.partitions('assigned').toSorted(), moving.toSorted());
    for (const partition of [0, 1, 2, 3])
      await publish(driver, sub.topic, partition, `after-${partition}`);
    await joined.take(2);
    assert.deepEqual(
      joined.ids.toSorted(),
      moving.map((partition) => `after-${partition}`).toSorted(),
    );
    await first.take(6);
    await first.member.close();
    await joined.until(() => joined.partitions('assigned').length === 4);
    await joined.member.close();
  });

  it('shares evenly among three members that come at once, and again when one has gone', async () => {
    await using one = await openDriver();
    await using two = await openDriver();
    await using three = await openDriver();
    await using sub = await subscription(one, 'key', 7);
    const readers = await Promise.all(
      [one, two, three].map((driver) => consume(driver, sub.topic)),
    );
    const owned = readers.map(() => new Set<number>());
    const stop = new AbortController();
    const loops = readers.map(async (reader, index) => {
      while (!stop.signal.aborted) {
        for (const event of await reader.member.receive(stop.signal).catch(() => [])) {
          if (event.type === 'assigned') owned[index]?.add(event.partition);
          if (event.type !== 'revoking') continue;
          owned[index]?.delete(event.partition);
          await reader.member.release(event.partition);
        }
      }
    });
    const sizes = (): Promise<number[]> =>
      Promise.resolve(owned.map(({ size }) => size).toSorted());
    await eventually(sizes, (now) => now.join() === '2,2,3');
    await three.close();
    owned[2]?.clear();
    await eventually(sizes, (now) => now.join() === '0,3,4');
    stop.abort();
    await Promise.all(loops);
    await Promise.all(readers.map(({ member }) => member.close()));
  });

  it('hands the records of a lost owner to the next in order, with the states that were kept', async () => {
    await using driver = await openDriver();
    const victim = await openDriver();
    await using sub = await subscription(driver, 'key', 1);
    await publish(driver, sub.topic, 0, ...range(20));
    const first = await consume(victim, sub.topic);
    await first.take(20);
    assert.equal(await first.member.note(first.find('id-3').token, 'failed once'), 'kept');
    assert.equal(await first.member.note(first.find('id-3').token, 'failed twice'), 'kept');
    assert.equal(await first.member.note(first.find('id-5').token, 'done soon'), 'kept');
    await first.done(first.find('id-0'), first.find('id-1'), first.find('id-5'));
    const next = await consume(driver, sub.topic);
    await victim.close(); // cuts its consumer off
    await next.take(17);
    assert.deepEqual(
      next.ids,
      range(20).filter((id) => !['id-0', 'id-1', 'id-5'].includes(id)),
    );
    assert.equal(next.find('id-3').state, 'failed twice');
    assert.ok(next.leased.every(({ redelivered }) => redelivered));
    assert.deepEqual(next.leased.filter(({ state }) => state !== undefined).length, 1);
    await next.done(...next.leased);
    await next.member.close();
    await untilEmpty(driver, sub.topic);
  });

  it('forgets the state of what is settled', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver, 'key', 1);
    await publish(driver, sub.topic, 0, 'same');
    const first = await consume(driver, sub.topic);
    await first.take(1);
    await first.member.note(first.find('same').token, 'old');
    await first.done(first.find('same'));
    await first.member.close();
    await publish(driver, sub.topic, 0, 'same');
    const next = await consume(driver, sub.topic);
    await next.take(1);
    assert.deepEqual([next.find('same').state, next.find('same').redelivered], [undefined, false]);
    await next.member.close();
  });

  it('gives back in order and tells it from a crash, but only once', async () => {
    await using driver = await openDriver();
    const victim = await openDriver();
    await using sub = await subscription(driver, 'key', 1);
    await publish(driver, sub.topic, 0, ...range(10));
    const first = await consume(driver, sub.topic);
    await first.take(10);
    await first.done(first.find('id-0'));
    await first.member.stop();
    const rest = first.leased.slice(1);
    await first.member.settle(
      rest.map(({ token }) => ({ token, verdict: 'back', state: 'returned' })),
    );
    await first.member.close();
    const second = await consume(victim, sub.topic);
    await second.take(9);
    assert.deepEqual(second.ids, range(10).slice(1));
    assert.ok(
      second.leased.every(({ redelivered, state }) => !redelivered && state === 'returned'),
    );
    await victim.close();
    const third = await consume(driver, sub.topic);
    await third.take(9);
    assert.deepEqual(third.ids, range(10).slice(1));
    assert.ok(third.leased.every(({ redelivered, state }) => redelivered && state === 'returned'));
    await third.member.close();
  });

  it('brings a dead letter back to its own partition', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver, 'key', 3);
    await publish(driver, sub.topic, 2, 'bad');
    const reader = await consume(driver, sub.topic);
    await reader.take(1);
    await reader.member.settle([
      { token: reader.find('bad').token, verdict: 'dead', state: 'why' },
    ]);
    const dead = await consume(driver, sub.topic, 'dead');
    await dead.until(({ events }) => events.some(({ type }) => type === 'idle'));
    assert.equal(dead.find('bad').state, 'why');
    await dead.member.settle([
      { token: dead.find('bad').token, verdict: 'again', delayMs: 0, state: 'redriven' },
    ]);
    await dead.member.close();
    await reader.take(2);
    const last = reader.events.findLast((event) => event.type === 'records');
    assert.equal(last?.type === 'records' ? last.partition : undefined, 2);
    assert.equal(reader.find('bad').state, 'redriven');
    await reader.member.close();
  });

  it('hands out added partitions to running members', async () => {
    await using driver = await openDriver();
    await using other = await openDriver();
    await using sub = await subscription(driver, 'key', 2);
    const reader = await consume(driver, sub.topic);
    await reader.until(() => reader.partitions('assigned').length === 2);
    const next = { ...sub.topic, partitions: 4 };
    const altered = await other.alterTopic(sub.topic, next, soon());
    await publish(other, altered, 3, 'new');
    await reader.until(
      () => reader.leased.length === 1 && reader.partitions('assigned').length === 4,
      30_000,
    );
    assert.deepEqual(reader.partitions('assigned').toSorted(), [0, 1, 2, 3]);
    await reader.done(...reader.leased);
    await reader.member.close();
    await driver.removeSubscription(altered, 'sub', soon());
  });
});
