import assert from 'node:assert/strict';
import { until } from './until.ts';

const billed: string[] = [];
const bill = (orderId: string): void => void billed.push(orderId);
// #region use
import { connect, topic } from '@duobus/core';

const Orders = topic<{ orderId: string }>('orders');
await using bus = await connect('memory:', { source: '/shop/orders' });
await bus.events.subscribe(Orders, 'billing', (order) => bill(order.orderId));
await bus.events.publish(Orders, { orderId: '42' });
// #endregion use
await until(() => billed.length === 1);
assert.deepEqual(billed, ['42']);
