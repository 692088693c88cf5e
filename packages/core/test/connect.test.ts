import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect, registerAdapter, topic } from '../src/index.ts';
import type { Adapter, ConnectTarget } from '../src/index.ts';
import { adapterFor } from '../src/adapters.ts';
import type { AdapterConfig } from '../src/adapters.ts';
import { deferred } from '../src/internal/deferred.ts';

const source = '/shop';
const orders = topic<number>('orders');

/** Adapters made for the scheme 'seen', and what they were told. */
const seen: AdapterConfig[] = [];
registerAdapter('seen', (config) => {
  seen.push(config);
  return adapterFor({ url: config.url.replace('seen:', 'memory:') });
});

async function works(target: ConnectTarget, options?: object): Promise<void> {
  await using bus = await connect(target, options);
  const receipt = await bus.events.publish(orders, 1);
  assert.equal(receipt.topic, 'orders');
  await bus.data.publish(orders, 1);
}

function refused(target: unknown, options: unknown, message: RegExp): Promise<void> {
  return assert.rejects(connect(target as ConnectTarget, options as object), {
    name: 'TypeError',
    message,
  });
}

describe('connect', () => {
  it('takes an address', () => works('memory://connect-1', { source }));

  it('takes a plain object, with the options of the bus in it', () =>
    works({ url: 'memory://connect-2', source }));

  it('hands its options to the adapter', async () => {
    seen.length = 0;
    await works({ url: 'seen://connect-3', options: { a: 1 } }, { source });
    assert.deepEqual(seen, [{ url: 'seen://connect-3', options: { a: 1 } }]);
  });

  it('takes one broker for events and one for data', async () => {
    seen.length = 0;
    await works({
      events: 'seen://connect-4',
      data: { url: 'seen://connect-5', options: {} },
      source,
    });
    assert.deepEqual(
      seen.map(({ url }) => url),
      ['seen://connect-4', 'seen://connect-5'],
    );
  });

  it('makes one adapter where both are the same', async () => {
    seen.length = 0;
    await works({ events: 'seen://connect-6', data: 'seen://connect-6' }, { source });
    assert.equal(seen.length, 1);
  });

  it('takes an adapter made by hand', async () => {
    const adapter: Adapter = await adapterFor({ url: 'memory://connect-7' });
    await works(adapter, { source });
  });

  it('answers every use of a half that is missing with DUOBUS_NOT_SUPPORTED', async () => {
    await using bus = await connect({ events: 'memory://connect-8' }, { source });
    await bus.events.publish(orders, 1);
    await assert.rejects(async () => bus.data.publish(orders, 1), { code: 'DUOBUS_NOT_SUPPORTED' });
  });

  it('prefers the options of the call to those of the target', async () => {
    await using bus = await connect(
      { url: 'memory://connect-9', source: '/config' },
      { source: '/call' },
    );
    const found = deferred<string>();
    await bus.events.subscribe(orders, 'a', (_document, delivery) =>
      found.resolve(delivery.source),
    );
    await bus.events.publish(orders, 1);
    assert.equal(await found.promise, '/call');
  });
});

describe('connect: wrong arguments', () => {
  for (const target of [undefined, null, '']) {
    it(`says what to set for ${JSON.stringify(target)}, and takes no broker by itself`, () =>
      refused(target, { source }, /BUS_URL.*'memory:'/));
  }

  it('says that source is missing', async () => {
    await refused('memory:', undefined, /source/);
    await refused('memory:', {}, /source/);
    await refused({ url: 'memory:' }, {}, /source/);
  });

  it('refuses a source that is no URI reference', () =>
    refused('memory:', { source: 'my shop' }, /URI reference/));

  it('names the option that was meant', async () => {
    await refused('memory:', { source, topologi: 'check' }, /'topologi'.*'topology'/);
    await refused({ url: 'memory:', sources: '/x' }, {}, /'sources'.*'source'/);
    await refused({ events: 'memory:', dta: 'memory:' }, { source }, /'dta'.*'data'/);
  });

  for (const target of [
    7,
    true,
    [],
    {},
    { url: '' },
    { url: 7 },
    { url: 'memory:', options: 7 },
    { events: 7 },
    { events: '' },
    { data: {} },
    { events: null },
  ]) {
    it(`refuses ${JSON.stringify(target)}`, () => refused(target, { source }, /connect/));
  }

  for (const options of [
    { topology: 'none' },
    { publishTimeoutMs: 0 },
    { publishTimeoutMs: '5' },
    { settleIntervalMs: -1 },
    { graceMs: 1.5 },
    { publishBuffer: 5 },
    { publishBuffer: { documents: 0 } },
    { publishBuffer: { size: 1 } },
    { store: {} },
    { instrument: 'x' },
  ]) {
    it(`refuses the options ${JSON.stringify(options)}`, () =>
      refused('memory:', { source, ...options }, new RegExp(Object.keys(options).join())));
  }

  it('lists the schemes it knows', () =>
    refused('nats://u:secret@host', { source }, /Known are memory: amqp:.*kafka:.*sns\+sqs:/));

  it('has no credentials in what it throws', async () => {
    for (const target of ['nats://u:secret@host', 'u:secret@host', { url: 'x+y://u:secret@h' }]) {
      await assert.rejects(
        connect(target, { source }),
        (error: Error) => !/secret/.test(error.message),
      );
    }
  });
});
