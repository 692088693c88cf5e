import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  consume,
  idOf,
  openDriver,
  publish,
  type Reader,
  subscription,
  type TestDriver,
} from './support/driver.ts';

const range = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `id-${index}`);

/** As the runtime closes: what came is given back, but for some. */
async function giveBack(reader: Reader, keeps: readonly string[] = []): Promise<void> {
  await reader.member.stop();
  // what is still in the inbox goes back unseen
  const back = reader.leased.filter((leased) => !keeps.includes(idOf(leased)));
  await reader.member.settle(
    back.map(({ token }) => ({ token, verdict: 'back', state: 'returned' })),
  );
  await reader.member.close();
}

/** Hands over once and again while documents come in, and returns what was handled, in order. */
async function handOver(
  driver: TestDriver,
  rounds: number,
  end: (reader: Reader, round: number) => Promise<void>,
): Promise<{ readonly handled: readonly string[]; readonly published: readonly string[] }> {
  await using sub = await subscription(driver, 'key', 1);
  const published: string[] = [];
  const handled: string[] = [];
  const over = new AbortController();
  const publishing = (async () => {
    while (!over.signal.aborted) {
      const ids = Array.from({ length: 5 }, (_, index) => `id-${published.length + index}`);
      published.push(...ids);
      await publish(driver, sub.topic, 0, ...ids);
    }
  })();
  try {
    for (let round = 0; round < rounds; round += 1) {
      const reader = await consume(driver, sub.topic, 'main', 60);
      await reader.take(40);
      const done = reader.leased.slice(0, 20);
      await reader.done(...done);
      handled.push(...done.map(idOf));
      assert.ok(reader.leased.every(({ redelivered }) => !redelivered));
      reader.events.splice(0, reader.events.length, {
        type: 'records',
        partition: 0,
        records: reader.leased.slice(20),
      });
      await end(reader, round);
    }
  } finally {
    over.abort();
    await publishing;
  }
  const last = await consume(driver, sub.topic, 'main', 1000);
  while (handled.length < published.length) {
    const before = last.leased.length;
    await last.take(before + 1);
    const more = last.leased.slice(before);
    await last.done(...more);
    handled.push(...more.map(idOf));
  }
  await last.member.close();
  return { handled, published };
}

describe('order by key from owner to owner', { concurrency: 4 }, () => {
  it('stays when owners that take fewer and fewer close one after the other', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver, 'key', 1);
    await publish(driver, sub.topic, 0, ...range(60));
    for (const credit of [40, 5, 1, 20]) {
      const owner = await consume(driver, sub.topic, 'main', credit);
      await owner.take(credit);
      assert.deepEqual(owner.ids, range(credit));
      await giveBack(owner);
    }
    const last = await consume(driver, sub.topic);
    await last.take(60);
    assert.deepEqual(last.ids, range(60));
    assert.ok(last.leased.every(({ redelivered }) => !redelivered));
    assert.deepEqual(
      last.leased.map(({ state }) => state),
      range(60).map((_, index) => (index < 40 ? 'returned' : undefined)),
    );
    await last.member.close();
  });

  it('stays when they die one after the other', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver, 'key', 1);
    await publish(driver, sub.topic, 0, ...range(60));
    for (const credit of [40, 5, 1, 20]) {
      const victim = await openDriver();
      const owner = await consume(victim, sub.topic, 'main', credit);
      await owner.take(credit);
      assert.deepEqual(owner.ids, range(credit));
      await victim.close(); // cuts its consumer off
    }
    const last = await consume(driver, sub.topic);
    await last.take(60);
    assert.deepEqual(last.ids, range(60));
    assert.deepEqual(
      last.leased.filter(({ redelivered }) => !redelivered).map(idOf),
      range(60).slice(40),
    );
    await last.member.close();
  });

  it('hands on no more than was asked for, however many came back', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver, 'key', 1);
    await publish(driver, sub.topic, 0, ...range(40));
    const first = await consume(driver, sub.topic, 'main', 40);
    await first.take(40);
    await giveBack(first);
    const second = await consume(driver, sub.topic, 'main', 3);
    for (let next = 0; next < 40; next += 1) {
      await second.take(Math.min(40, next + 3));
      assert.deepEqual(second.ids, range(Math.min(40, next + 3)));
      await second.done(second.find(`id-${next}`));
    }
    await second.member.close();
  });

  it('stays when owners close while documents come in', async () => {
    await using driver = await openDriver();
    const { handled, published } = await handOver(driver, 15, (reader) => giveBack(reader));
    assert.deepEqual(handled, published);
  });

  it('stays when partitions are released while documents come in', async () => {
    await using driver = await openDriver();
    const { handled, published } = await handOver(driver, 8, async (reader) => {
      await reader.member.settle(
        reader.leased.map(({ token }) => ({ token, verdict: 'back', state: 'returned' })),
      );
      await reader.member.release(0);
      await reader.member.close();
    });
    assert.deepEqual(handled, published);
  });

  it('suspects what was begun and nothing else', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver, 'key', 1);
    await publish(driver, sub.topic, 0, ...range(30));
    const begun = ['id-2', 'id-7'];
    const first = await consume(driver, sub.topic, 'main', 10);
    await first.take(10);
    await giveBack(first, begun);
    // this one hands on three only, and so cannot clear or blame the others
    const second = await consume(driver, sub.topic, 'main', 3);
    await second.take(3);
    await giveBack(second, ['id-0']);
    const third = await consume(driver, sub.topic);
    await third.take(30);
    assert.deepEqual(third.ids, range(30));
    assert.deepEqual(third.leased.filter(({ redelivered }) => redelivered).map(idOf), [
      'id-0',
      'id-7',
    ]);
    await third.member.close();
  });

  it('passes on the suspicion when an owner closes before it was handed anything', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver, 'key', 1);
    await publish(driver, sub.topic, 0, ...range(10));
    const victim = await openDriver();
    const dying = await consume(victim, sub.topic, 'main', 5);
    await dying.take(5);
    await victim.close();
    for (let time = 0; time < 5; time += 1) {
      const quick = await consume(driver, sub.topic, 'main', 5);
      await quick.member.close();
    }
    const last = await consume(driver, sub.topic, 'main', 10);
    await last.take(10);
    assert.deepEqual(last.ids, range(10));
    assert.deepEqual(last.leased.filter(({ redelivered }) => redelivered).map(idOf), range(5));
    await last.member.close();
  });
});
