import assert from 'node:assert/strict';
import { connect, topic } from '@duobus/core';
import { memory } from '@duobus/memory';

const Orders = topic<{ orderId: string }>('orders');

// #region url
await using bus = await connect(process.env.BUS_URL, { source: '/shop' });
// #endregion url
await bus.events.publish(Orders, { orderId: '1' });

const EVENTS_URL = process.env.BUS_URL ?? '';
const DATA_URL = process.env.BUS_URL ?? '';
// #region two
await using both = await connect({ events: EVENTS_URL, data: DATA_URL }, { source: '/shop' });
// #endregion two
await both.data.publish(Orders, { orderId: '1' });

// #region adapter
await using embedded = await connect(memory({ name: 'unit-tests' }), { source: '/shop' });
// #endregion adapter
await embedded.data.publish(Orders, { orderId: '1' });

// #region capabilities
const { durability, maxDocumentBytes, keepsForMs } = bus.events.capabilities;
console.log(durability.note, maxDocumentBytes, keepsForMs ?? 'kept for ever');
// #endregion capabilities
assert.equal(bus.events.capabilities.order.key, true);
