import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Leased, QueueEvent } from '../src/driver.ts';
import { BusError } from '../src/errors.ts';
import { deferred } from '../src/internal/deferred.ts';
import { lostConsumer } from '../src/member-end.ts';
import { MemberInbox } from '../src/member-inbox.ts';

const { signal } = new AbortController();
const lease = (token: string): Leased => ({
  key: undefined,
  headers: {},
  body: null,
  token,
  redelivered: false,
  state: undefined,
});
const tokensOf = (events: readonly QueueEvent[]): readonly unknown[] =>
  events.flatMap((event) =>
    event.type === 'records' ? event.records.map(({ token }) => token) : [event.type],
  );
const away = new BusError('DUOBUS_UNAVAILABLE', 'away', { retryable: true });

describe('the inbox of a member', () => {
  it('knows what nobody has seen, by partition', async () => {
    const inbox = new MemberInbox<Leased>('work');
    inbox.records(0, [lease('a')]);
    assert.deepEqual(tokensOf(await inbox.receive(signal)), ['a']);
    inbox.records(0, [lease('b')]);
    inbox.records(1, [lease('c')]);
    assert.deepEqual(
      inbox.takeUnseen(0).map(({ token }) => token),
      ['b'],
    );
    assert.deepEqual(tokensOf(await inbox.receive(signal)), ['c']);
    assert.deepEqual(inbox.takeUnseen(), []);
  });

  it('leaves out what is not the member’s any more', async () => {
    const lost = new Set<unknown>();
    const inbox = new MemberInbox<Leased>('work', { isHeld: ({ token }) => !lost.has(token) });
    inbox.records(0, [lease('a'), lease('b')]);
    inbox.records(0, [lease('c')]);
    lost.add('a').add('c');
    assert.deepEqual(tokensOf(await inbox.receive(signal)), ['b']);
  });

  it('hands out nothing before it is sure to live, and keeps what was taken out for who comes then', async () => {
    const { promise, resolve } = deferred();
    let fresh: Promise<void> | undefined = promise;
    const inbox = new MemberInbox<Leased>('work', { fresh: () => fresh });
    inbox.records(0, [lease('a')]);
    const stop = new AbortController();
    const waiting = inbox.receive(stop.signal);
    await Promise.resolve();
    stop.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
    resolve();
    fresh = undefined;
    assert.deepEqual(tokensOf(await inbox.receive(signal)), ['a']);
  });

  it('says last what has ended the member first, and hands out nothing of before', async () => {
    const inbox = new MemberInbox<Leased>('work');
    inbox.push({ type: 'assigned', partition: 0 });
    inbox.records(0, [lease('a')]);
    inbox.end(lostConsumer('Broker', "'work'", away));
    inbox.end({ type: 'gone', error: away });
    inbox.records(0, [lease('b')]);
    assert.ok(inbox.over);
    assert.deepEqual(tokensOf(await inbox.receive(signal)), ['assigned', 'lost']);
  });

  it('wakes who receives when it is closed', async () => {
    const inbox = new MemberInbox<Leased>('work');
    const waiting = inbox.receive(signal);
    inbox.close();
    await assert.rejects(waiting, (error) => BusError.is(error, 'DUOBUS_CLOSED'));
  });
});
