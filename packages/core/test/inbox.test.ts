import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Inbox } from '../src/inbox.ts';

describe('Inbox', () => {
  it('hands out in order what was pushed, before and while somebody waits', async () => {
    const inbox = new Inbox<number>();
    const { signal } = new AbortController();
    inbox.push(1);
    inbox.push(2);
    assert.deepEqual(await inbox.receive(signal), [1, 2]);
    const waiting = inbox.receive(signal);
    inbox.push(3);
    inbox.push(4);
    assert.deepEqual(await waiting, [3, 4]);
    assert.equal(inbox.size, 0);
  });

  it('keeps what comes while a receive is given up', async () => {
    const inbox = new Inbox<number>();
    const stop = new AbortController();
    const waiting = inbox.receive(stop.signal);
    stop.abort(new Error('enough'));
    inbox.push(1);
    await assert.rejects(waiting, /enough/);
    await assert.rejects(inbox.receive(stop.signal), /enough/);
    assert.deepEqual(await inbox.receive(new AbortController().signal), [1]);
  });

  it('forgets what is discarded', async () => {
    const inbox = new Inbox<number>();
    for (const n of [1, 2, 3, 4]) inbox.push(n);
    inbox.discard((n) => n % 2 === 0);
    assert.deepEqual(await inbox.receive(new AbortController().signal), [1, 3]);
  });
});
