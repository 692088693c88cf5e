import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError, type Leased } from '@duobus/core/driver';
import { record, setup, signal, take, text, topicRecord } from './support/drivers.ts';
import { leased, subscribed, taken } from './support/subscribed.ts';

describe('queue driver', () => {
  it('hands every subscription its own copy of the bytes', async () => {
    const { queue, topic } = await subscribed();
    await queue.ensureSubscription(topic, 'mail', 'create', signal);
    const given = record('one');
    await queue.publish(topic, 0, [given], signal);
    given.body?.fill(0);
    const [first] = await taken(await queue.consume(topic, 'billing', 'main', 10, signal));
    first?.body?.fill(0);
    const [second] = await taken(await queue.consume(topic, 'mail', 'main', 10, signal));
    assert.equal(text(second as Leased), 'one');
    assert.deepEqual(second?.headers, { n: 'one' });
  });

  it('gives a document to one of the competing consumers, and shares them', async () => {
    const { queue, topic } = await subscribed();
    const a = await queue.consume(topic, 'billing', 'main', 10, signal);
    const b = await queue.consume(topic, 'billing', 'main', 10, signal);
    await queue.publish(
      topic,
      0,
      ['1', '2', '3', '4'].map((name) => record(name)),
      signal,
    );
    const [atA, atB] = [await taken(a), await taken(b)];
    assert.deepEqual([...atA, ...atB].map(text).toSorted(), ['1', '2', '3', '4']);
    assert.equal(atA.length, 2);
  });

  it('leases no more than the credit until something is settled', async () => {
    const { queue, topic } = await subscribed();
    await queue.publish(
      topic,
      0,
      ['1', '2', '3'].map((name) => record(name)),
      signal,
    );
    const member = await queue.consume(topic, 'billing', 'main', 2, signal);
    const [one] = await taken(member);
    assert.deepEqual(await taken(member), []);
    assert.deepEqual(await member.settle([{ token: one?.token, verdict: 'done' }]), ['settled']);
    assert.deepEqual((await taken(member)).map(text), ['3']);
  });

  it('forgets what is done and counts what is not', async () => {
    const { queue, topic, broker, clock } = await subscribed();
    await queue.publish(topic, 0, [record('1'), record('2')], signal);
    clock.advance(500);
    const member = await queue.consume(topic, 'billing', 'main', 1, signal);
    const [one] = await taken(member);
    assert.deepEqual(await queue.inspect(topic, 'billing', signal), {
      ready: 1,
      leased: 1,
      delayed: 0,
      dead: 0,
      oldestMs: 500,
      consumers: 1,
    });
    await member.settle([{ token: one?.token, verdict: 'done' }]);
    const [two] = await taken(member);
    await member.settle([{ token: two?.token, verdict: 'done' }]);
    assert.deepEqual(await queue.inspect(topic, 'billing', signal), {
      ready: 0,
      leased: 0,
      delayed: 0,
      dead: 0,
      oldestMs: undefined,
      consumers: 1,
    });
    assert.equal(broker.bytes, 0);
  });

  it('hands out again after the delay, with the state, stored anew', async () => {
    const { queue, topic, clock } = await subscribed();
    await queue.publish(topic, 0, [record('1')], signal);
    const member = await queue.consume(topic, 'billing', 'main', 10, signal);
    const [one] = await taken(member);
    assert.equal(one?.redelivered, false);
    await member.settle([{ token: one?.token, verdict: 'again', delayMs: 1_000, state: 'tried' }]);
    clock.advance(999);
    assert.deepEqual(await taken(member), []);
    clock.advance(1);
    const [again] = await taken(member);
    assert.deepEqual([again?.redelivered, again?.state], [false, 'tried']);
    assert.deepEqual(await member.settle([{ token: one?.token, verdict: 'done' }]), ['lost']);
  });

  it('keeps dead letters through listing, and puts a redriven one back into its queue', async () => {
    const { queue, topic } = await subscribed();
    await queue.publish(topic, 0, [record('1'), record('2')], signal);
    const member = await queue.consume(topic, 'billing', 'main', 10, signal);
    const batch = await taken(member);
    await member.settle(batch.map(({ token }) => ({ token, verdict: 'dead', state: 'why' })));
    for (let pass = 0; pass < 2; pass += 1) {
      const dead = await queue.consume(topic, 'billing', 'dead', 10, signal);
      const events = await take(dead);
      assert.equal(events.at(-1)?.type, 'idle');
      assert.deepEqual(
        leased(events).map((letter) => [text(letter), letter.state]),
        [
          ['1', 'why'],
          ['2', 'why'],
        ],
      );
      assert.equal((await queue.inspect(topic, 'billing', signal)).dead, 2);
      await dead.close();
    }
    const dead = await queue.consume(topic, 'billing', 'dead', 10, signal);
    const [one, two] = leased(await take(dead));
    await dead.settle([
      { token: one?.token, verdict: 'again', delayMs: 0, state: 'redriven' },
      { token: two?.token, verdict: 'done' },
    ]);
    assert.deepEqual(
      (await taken(member)).map((again) => [text(again), again.state]),
      [['1', 'redriven']],
    );
    assert.equal((await queue.inspect(topic, 'billing', signal)).dead, 0);
  });

  it('lets one consumer at a time see the dead letters', async () => {
    const { queue, topic } = await subscribed();
    const first = await queue.consume(topic, 'billing', 'dead', 10, signal);
    const second = await queue.consume(topic, 'billing', 'dead', 10, signal);
    assert.deepEqual(await take(first), [{ type: 'idle' }]);
    assert.deepEqual(await take(second), []);
    await first.close();
    assert.deepEqual(await take(second), [{ type: 'idle' }]);
  });

  it('returns what a closed or cut consumer held, in the old order, with its note', async () => {
    const { queue, topic, broker } = await subscribed();
    await queue.publish(
      topic,
      0,
      ['1', '2', '3'].map((name) => record(name)),
      signal,
    );
    const member = await queue.consume(topic, 'billing', 'main', 2, signal);
    const [one, two] = await taken(member);
    assert.equal(await member.note(one?.token, 'suspect'), 'kept');
    await member.settle([{ token: two?.token, verdict: 'back', state: 'unseen' }]);
    assert.equal(broker.cutMembers('orders', 'billing'), 1);
    const other = await queue.consume(topic, 'billing', 'main', 10, signal);
    assert.deepEqual(
      (await taken(other)).map((again) => [text(again), again.state, again.redelivered]),
      [
        ['1', 'suspect', true],
        ['2', 'unseen', false],
        ['3', undefined, false],
      ],
    );
    assert.equal(await member.note(one?.token, 'late'), 'lost');
    assert.deepEqual(await member.settle([{ token: one?.token, verdict: 'done' }]), ['lost']);
  });

  it('takes back a document whose lease has run out', async () => {
    const { queue, topic, clock } = await subscribed({ queueLeaseMs: 1_000 });
    await queue.publish(topic, 0, [record('1')], signal);
    const member = await queue.consume(topic, 'billing', 'main', 1, signal);
    const [one] = await taken(member);
    clock.advance(1_000);
    assert.deepEqual((await taken(member)).map(text), ['1']);
    assert.deepEqual(await member.settle([{ token: one?.token, verdict: 'done' }]), ['lost']);
  });

  it('stops intake and still settles', async () => {
    const { queue, topic } = await subscribed();
    await queue.publish(topic, 0, [record('1'), record('2')], signal);
    const member = await queue.consume(topic, 'billing', 'main', 1, signal);
    await member.stop();
    const [one] = await taken(member);
    assert.deepEqual(await member.settle([{ token: one?.token, verdict: 'done' }]), ['settled']);
    assert.deepEqual(await taken(member), []);
    assert.equal((await queue.inspect(topic, 'billing', signal)).ready, 1);
  });

  it('tells consumers of a removed subscription, and frees what it held', async () => {
    const { queue, topic, broker } = await subscribed();
    await queue.publish(topic, 0, [record('1'), record('2')], signal);
    const member = await queue.consume(topic, 'billing', 'main', 1, signal);
    await queue.removeSubscription(topic, 'billing', signal);
    await queue.removeSubscription(topic, 'billing', signal);
    assert.equal((await take(member)).at(-1)?.type, 'gone');
    assert.equal(broker.bytes, 0);
    await assert.rejects(queue.consume(topic, 'billing', 'main', 1, signal), (error) =>
      BusError.is(error, 'DUOBUS_NOT_FOUND'),
    );
    assert.deepEqual(await queue.names(topic, signal), []);
  });

  it('creates a topic and a subscription once, and nothing in mode check', async () => {
    const { queue } = await setup();
    const missing = (error: unknown): boolean => BusError.is(error, 'DUOBUS_NOT_FOUND');
    await assert.rejects(queue.ensureTopic(topicRecord(), 'check', signal), missing);
    const topic = await queue.ensureTopic(topicRecord(), 'create', signal);
    assert.deepEqual(
      await queue.ensureTopic(topicRecord({ incarnation: 'i2' }), 'create', signal),
      topic,
    );
    await assert.rejects(queue.ensureSubscription(topic, 'billing', 'check', signal), missing);
    assert.equal(await queue.ensureSubscription(topic, 'billing', 'create', signal), 'created');
    assert.equal(await queue.ensureSubscription(topic, 'billing', 'create', signal), 'existed');
    assert.deepEqual(await queue.topics(['other'], signal), []);
    assert.deepEqual(await queue.topics(undefined, signal), [topic]);
  });

  it('alters a topic only from what is stored', async () => {
    const { queue, topic } = await subscribed({}, { order: 'key', partitions: 2 });
    const member = await queue.consume(topic, 'billing', 'main', 1, signal);
    await take(member);
    const grown = await queue.alterTopic(topic, { ...topic, partitions: 3 }, signal);
    assert.deepEqual(await take(member), [{ type: 'assigned', partition: 2 }]);
    await assert.rejects(queue.alterTopic(topic, { ...topic, partitions: 4 }, signal), (error) =>
      BusError.is(error, 'DUOBUS_CONFLICT'),
    );
    await assert.rejects(queue.alterTopic(grown, { ...grown, partitions: 1 }, signal), (error) =>
      BusError.is(error, 'DUOBUS_REJECTED'),
    );
  });

  it('refuses what is too large or too much, and stores nothing of it', async () => {
    const { queue, topic, broker } = await subscribed({ maxDocumentBytes: 100, maxBytes: 150 });
    const outcomes = await queue.publish(
      topic,
      0,
      ['x'.repeat(200), 'x'.repeat(40), 'x'.repeat(40), 'y'].map((body) => record(body)),
      signal,
    );
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'stored' ? 'stored' : outcome.error.code)),
      ['DUOBUS_TOO_LARGE', 'stored', 'stored', 'DUOBUS_REJECTED'],
    );
    assert.equal((await queue.inspect(topic, 'billing', signal)).ready, 2);
    assert.ok(broker.bytes > 0);
  });
});
