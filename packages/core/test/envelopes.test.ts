import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError, topic } from '@duobus/core';
import { type Envelope, makeEnvelope, publishEnvelope } from '@duobus/core/envelopes';
import { testBus } from '@duobus/core/testing';
import { numberSchema } from './support/prepare-context.ts';

const orders = topic<{ id: string }>('orders', { key: (order) => order.id });

describe('makeEnvelope', () => {
  it('makes what publish would send', async () => {
    const options = {
      id: '1',
      subject: 's',
      time: '2026-11-01T12:00:00Z',
      extensions: { a1: 'x' },
    };
    const made = await makeEnvelope(orders, { id: 'k' }, options, '/shop');
    await using bus = await testBus({ source: '/shop' });
    await bus.events.publish(orders, { id: 'k' }, options);
    assert.deepEqual(made.attributes, bus.published(orders)[0]?.attributes);
    assert.equal(Buffer.from(made.data).toString(), '{"id":"k"}');
    assert.deepEqual([made.id, made.key], ['1', 'k']);
  });

  it('is synchronous unless the schema is not', async () => {
    const plain = topic('plain', { schema: numberSchema('sync') });
    const slow = topic('slow', { schema: numberSchema('async') });
    assert.ok(!(makeEnvelope(plain, { n: '1' }, {}, '/shop') instanceof Promise));
    const promised = makeEnvelope(slow, { n: '1' }, {}, '/shop');
    assert.ok(promised instanceof Promise);
    assert.equal(Buffer.from((await promised).data).toString(), '{"n":"1"}');
    assert.throws(
      () => makeEnvelope(plain, { n: 'x' } as never, {}, '/shop'),
      (error) => BusError.is(error, 'DUOBUS_INVALID') && error.outcome === 'rejected',
    );
  });

  it('has the document whose handler is running as its cause', async () => {
    await using bus = await testBus();
    const made: Envelope[] = [];
    await bus.events.subscribe(orders, 'mail', async () => {
      made.push(await makeEnvelope(orders, { id: 'then' }, {}, '/shop'));
    });
    const { id } = await bus.events.publish(orders, { id: 'first' }, { correlationId: 'c' });
    await bus.idle();
    assert.deepEqual(
      made.map(({ attributes: { causationid, correlationid } }) => [causationid, correlationid]),
      [[id, 'c']],
    );
  });
});

describe('publishEnvelope', () => {
  it('publishes it unchanged on either bus, from inside of a handler too', async () => {
    await using bus = await testBus({ source: '/relay' });
    const { attributes, data } = await makeEnvelope(orders, { id: 'k' }, {}, '/shop');
    await bus.events.subscribe(topic('start'), 'go', async () => {
      await publishEnvelope(bus.events, orders, { attributes, data });
      const receipt = await publishEnvelope(bus.data, orders, { attributes, data });
      assert.equal(receipt.id, attributes.id);
    });
    await bus.events.publish(topic('start'), 'go');
    await bus.idle();
    assert.deepEqual(
      bus.published(orders).map(({ document, key, ...rest }) => [rest.attributes, document, key]),
      [
        [attributes, { id: 'k' }, 'k'],
        [attributes, { id: 'k' }, 'k'],
      ],
    );
  });

  it('tells telemetry, and takes no attributes from it', async () => {
    const told: unknown[] = [];
    await using bus = await testBus({
      instrument: {
        publish: ({ id }) => {
          told.push(id);
          return { attributes: { traceparent: 'x' }, end: (error) => told.push(error) };
        },
      },
    });
    const made = await makeEnvelope(orders, { id: 'k' }, {}, '/shop');
    await publishEnvelope(bus.events, orders, made);
    assert.deepEqual(told, [made.id, undefined]);
    assert.equal(bus.published(orders)[0]?.attributes['traceparent'], undefined);
  });

  it('rejects what is no envelope, and a bus that is none', async () => {
    await using bus = await testBus();
    const { attributes, data } = await makeEnvelope(orders, { id: 'k' }, {}, '/shop');
    const wrong = [
      { attributes: { ...attributes, id: '' }, data },
      { attributes: { ...attributes, time: 'noon' }, data },
      { attributes, data: 'text' },
    ] as never as Envelope[];
    for (const envelope of wrong) {
      await assert.rejects(
        publishEnvelope(bus.events, orders, envelope),
        (error) => BusError.is(error, 'DUOBUS_INVALID') && error.outcome === 'rejected',
      );
    }
    assert.throws(() => publishEnvelope({} as never, orders, { attributes, data }), TypeError);
    assert.deepEqual(bus.published(orders), []);
  });
});
