import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { BusError, topic } from '@duobus/core';
import { during, until, world } from '../support/memory-bus.ts';

const Orders = topic<{ n: number }>('orders', { key: ({ n }) => `k${n % 3}`, order: 'key' });
const Plain = topic<{ n: number }>('plain');

describe('closing a bus', () => {
  it('settles while the broker is away, whatever is under way', async (test) => {
    const { broker, clock, join } = world(test);
    const bus = await join();
    await bus.events.subscribe(Orders, 'a', () => new Promise(() => undefined));
    await bus.events.subscribe(Plain, 'b', () => Promise.reject(new Error('no')));
    await during(
      clock,
      bus.data.subscribe(Orders, 'g', () => Promise.reject(new Error('no'))),
    );
    const published = Array.from({ length: 30 }, (_, n) => [
      bus.events.publish(Orders, { n }),
      bus.events.publish(Plain, { n }),
      bus.data.publish(Orders, { n }),
    ]).flat();
    await during(clock, Promise.all(published));
    await clock.advance(200);
    broker.stop();
    const late = bus.events.publish(Plain, { n: 99 }).catch((error: unknown) => error);
    const later = bus.data.publish(topic('never-seen'), { n: 99 }).catch((error: unknown) => error);
    await during(clock, bus.close({ graceMs: 1_000 }), 60_000);
    assert.equal(((await late) as BusError).outcome, 'rejected');
    assert.equal(((await later) as BusError).outcome, 'rejected');
    assert.equal(clock.next, undefined, 'a timer is left');
  });

  it('is the same close when called twice, and while a subscribe is under way', async (test) => {
    const { clock, join, broker } = world(test);
    const bus = await join();
    const subscribing = ['a', 'b', 'c'].flatMap((name) => [
      bus.events.subscribe([Orders, Plain], name, () => undefined),
      bus.data.subscribe([Orders, Plain], name, () => undefined),
    ]);
    const settled = Promise.allSettled(subscribing);
    const first = bus.close();
    assert.equal(bus.close(), first);
    await during(clock, first);
    for (const result of await during(clock, settled)) {
      if (result.status === 'rejected') assert.ok(BusError.is(result.reason, 'DUOBUS_CLOSED'));
      else assert.equal(result.value.state, 'closed');
    }
    assert.equal([...broker.connections].flatMap(({ members }) => [...members]).length, 0);
    await assert.rejects(
      bus.events.subscribe(Plain, 'd', () => undefined),
      {
        code: 'DUOBUS_CLOSED',
      },
    );
    await assert.rejects(bus.events.publish(Plain, { n: 1 }), { code: 'DUOBUS_CLOSED' });
    assert.equal(clock.next, undefined, 'a timer is left');
  });

  it('repeats nothing after a clean close, though failed documents were being written down', async (test) => {
    const { clock, join } = world(test);
    const bus = await join();
    const seen: number[] = [];
    const handler = ({ n }: { n: number }): void => {
      seen.push(n);
      if (n % 4 === 0) throw new Error('no');
    };
    const options = { maxAttempts: 1, brakeAfter: 1_000 };
    const queue = await bus.events.subscribe(Orders, 'a', handler, options);
    const log = await during(clock, bus.data.subscribe(Orders, 'g', handler, options));
    for (let n = 0; n < 40; n += 1) {
      await during(clock, bus.events.publish(Orders, { n }));
      await during(clock, bus.data.publish(Orders, { n }));
    }
    await during(clock, Promise.all([queue.close(), log.close()]));
    const handled = seen.length;
    await bus.events.subscribe(Orders, 'a', handler, options);
    await during(clock, bus.data.subscribe(Orders, 'g', handler, options));
    await clock.advance(5_000);
    assert.equal(seen.length, 80);
    assert.ok(handled <= 80);
    await during(clock, bus.close());
  });

  it('lets handlers publish, and gives the rest back', async (test) => {
    const { clock, join } = world(test);
    const bus = await join();
    const results: string[] = [];
    await bus.events.subscribe(Plain, 'b', () => results.push('forwarded'));
    const handle = await bus.events.subscribe(Orders, 'a', async (document, delivery) => {
      await bus.events.publish(Plain, document);
      if (document.n === 1)
        await new Promise((_, no) => delivery.signal.addEventListener('abort', no));
    });
    for (let n = 0; n < 3; n += 1) await during(clock, bus.events.publish(Orders, { n }));
    await until(clock, 'two are handled', () => handle.stats().settled === 2);
    const other = await join();
    await during(clock, bus.close({ graceMs: 500 }));
    const causes: string[] = [];
    await other.events.subscribe(Orders, 'a', (_, { cause, redelivered }) =>
      causes.push(`${cause} ${redelivered}`),
    );
    await until(clock, 'the third comes back', () => causes.length > 0);
    assert.equal(causes.length, 1);
    assert.ok(!causes[0]?.startsWith('first'), causes[0]);
    await during(clock, other.close());
  });

  it('ends a reset and everything else that waits', async (test) => {
    const { clock, join } = world(test);
    const bus = await join();
    const handle = await during(
      clock,
      bus.data.subscribe(Plain, 'g', () => new Promise(() => undefined)),
    );
    const receipt = await during(clock, bus.data.publish(Plain, { n: 1 }));
    await until(clock, 'it runs', () => handle.stats().running === 1);
    const waiting = bus.data
      .waitFor(Plain, 'g', receipt, { timeoutMs: 600_000 })
      .catch((error: unknown) => error);
    const resetting = bus.data
      .reset(Plain, 'g', 'earliest', { graceMs: 600_000 })
      .catch((error: unknown) => error);
    await clock.advance(100);
    await during(clock, bus.close({ graceMs: 100 }), 60_000);
    assert.ok(BusError.is(await during(clock, waiting, 1_000), 'DUOBUS_CLOSED'));
    // The member has left, so that the reset may have come through.
    const result = await during(clock, resetting, 1_000);
    assert.ok(BusError.is(result, 'DUOBUS_CLOSED') || !(result instanceof Error), String(result));
  });

  it('leaves nothing that keeps the process alive', async () => {
    const program = `
      import { connect, topic } from '@duobus/core';
      const T = topic('t', { key: () => 'k', order: 'key' });
      const bus = await connect('memory:', { source: '/x' });
      const ran = [0, 1, 2].map(() => Promise.withResolvers());
      const fail = (which) => () => { ran[which].resolve(); throw new Error('no'); };
      await bus.events.subscribe(T, 'a', fail(0));
      await bus.data.subscribe(T, 'g', fail(1));
      await bus.data.subscribe(T, 'h', () => { ran[2].resolve(); return new Promise(() => undefined); });
      for (let n = 0; n < 20; n += 1) { await bus.events.publish(T, n); await bus.data.publish(T, n); }
      await Promise.all(ran.map(({ promise }) => promise));
      await bus.close({ graceMs: 50 });
      console.log('closed');
    `;
    const child = spawn(
      process.execPath,
      [
        '--conditions=duobus:source',
        '--unhandled-rejections=strict',
        '--input-type=module',
        '-e',
        program,
      ],
      { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    let closedAt = 0;
    child.stdout.on('data', (data: Buffer) => {
      output += String(data);
      if (output.includes('closed')) closedAt = performance.now();
    });
    child.stderr.on('data', (data: Buffer) => (output += String(data)));
    const code = await new Promise((resolve) => child.on('exit', resolve));
    assert.equal(code, 0, output);
    assert.ok(performance.now() - closedAt < 2_000, 'it lived on after close');
  });
});
