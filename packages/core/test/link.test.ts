import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Driver } from '../src/driver.ts';
import { BusError } from '../src/errors.ts';
import { deferred } from '../src/internal/deferred.ts';
import { Link, messageOf } from '../src/runtime/link.ts';
import { contextOf } from './support/scripted-source.ts';

const away = new BusError('DUOBUS_UNAVAILABLE', 'nobody there', { retryable: true });
const refused = new BusError('DUOBUS_PERMISSION', 'wrong password');

function setUp() {
  const { context, clock } = contextOf();
  const world = { opens: 0, open: (): Promise<void> => Promise.resolve() };
  const driver = {
    open: () => {
      world.opens += 1;
      return world.open();
    },
  } as unknown as Driver;
  const link = new Link(driver, 'event', context);
  return Object.assign(world, { link, clock, context });
}

describe('Link', () => {
  it('tries the first connection again until the time is up, and says why', async () => {
    const world = setUp();
    world.open = () => Promise.reject(away);
    const connecting = world.link.connect(3_000);
    const failed = assert.rejects(connecting, (error: BusError) => {
      assert.equal(error.code, 'DUOBUS_UNAVAILABLE');
      assert.match(error.message, /within 3000 ms.*nobody there/);
      return true;
    });
    await world.clock.advance(3_000);
    await failed;
    assert.ok(world.opens > 2);
    assert.equal(world.clock.next, undefined, 'no timer is left');
  });

  it('does not try again what no waiting mends', async () => {
    const world = setUp();
    world.open = () => Promise.reject(refused);
    await assert.rejects(world.link.connect(3_000), refused);
    assert.equal(world.opens, 1);
  });

  it('opens again, once, when several report that it broke', async () => {
    const world = setUp();
    await world.link.connect(1_000);
    world.link.failed(away);
    world.link.failed(away);
    assert.ok(!world.link.up);
    await Promise.all([world.link.ready(), world.link.ready()]);
    assert.ok(world.link.up);
    assert.equal(world.opens, 2);
    world.link.failed(refused);
    assert.ok(world.link.up, 'other errors say nothing about the connection');
  });

  it('repeats a request until it answers', async () => {
    const world = setUp();
    let left = 3;
    const answer = world.link.request(() =>
      left-- > 0 ? Promise.reject(away) : Promise.resolve('here'),
    );
    await world.clock.advance(5_000);
    assert.equal(await answer, 'here');
  });

  it('does what is in turn some at a time; the time of each begins when its turn has come', async () => {
    const world = setUp();
    const answers: (() => void)[] = [];
    const slow = (): Promise<void> => new Promise((resolve) => answers.push(resolve));
    const all = Array.from({ length: 200 }, () => world.link.requestInTurn(slow));
    for (let rounds = 0; answers.length > 0 || rounds === 0; rounds += 1) {
      await world.clock.advance(20_000);
      assert.ok(answers.length <= 64, 'a broker would be asked for all of them at once');
      for (const answer of answers.splice(0)) answer();
      await world.clock.advance(0);
    }
    await Promise.all(all);
    assert.equal(await world.link.requestInTurn(() => Promise.resolve('next')), 'next');
  });

  it('stops waiting for a turn at the end of the bus', async () => {
    const world = setUp();
    const never = (): Promise<never> => new Promise(() => undefined);
    const all = Array.from({ length: 100 }, () => world.link.requestInTurn(never));
    const over = Promise.all(all.map((one) => assert.rejects(one)));
    world.context.end();
    await over;
  });

  it('ends a request at its time, at its signal, at the end of the bus, and for what cannot be mended', async () => {
    const world = setUp();
    const never = (): Promise<never> => new Promise(() => undefined);
    const late = assert.rejects(world.link.request(never, { timeoutMs: 500 }), {
      code: 'DUOBUS_TIMEOUT',
    });
    await world.clock.advance(500);
    await late;
    const stop = new AbortController();
    const stopped = assert.rejects(world.link.request(never, { signal: stop.signal }), /enough/);
    stop.abort(new Error('enough'));
    await stopped;
    await assert.rejects(
      world.link.request(() => Promise.reject(refused)),
      refused,
    );
    const closed = assert.rejects(world.link.request(never), { code: 'DUOBUS_CLOSED' });
    world.context.end();
    await closed;
  });

  it('leaves the result of a request that was given up to nobody', async () => {
    const world = setUp();
    const answer = deferred<never>();
    const late = assert.rejects(
      world.link.request(() => answer.promise, { timeoutMs: 10 }),
      { code: 'DUOBUS_TIMEOUT' },
    );
    await world.clock.advance(10);
    await late;
    answer.reject(refused);
    await world.clock.settle(); // an unhandled rejection would fail this test
  });
});

describe('messageOf', () => {
  it('makes a sentence of whatever was thrown', () => {
    assert.equal(messageOf(new Error('no')), 'no');
    assert.equal(messageOf(undefined), '');
    assert.equal(messageOf('no'), 'no');
    assert.equal(messageOf(Symbol('no')), 'Symbol(no)');
    assert.match(messageOf(Object.create(null)), /cannot be shown/);
    assert.equal(typeof messageOf(Object.assign(new Error('x'), { message: { a: 1 } })), 'string');
  });
});
