import { BusError, topic } from '@duobus/core';
import { busModule, onData, onEvents } from '../../src/index.ts';
import { Mail, Orders, shopContainer, source } from './shop.ts';

const container = shopContainer();
const module = busModule(container, {
  source,
  subscriptions: [
    onEvents(Orders, 'mail', Mail),
    onData(Orders, 'analytics', Mail),
    onEvents(topic<{ orderId: string }>('orders', { order: 'key', partitions: 2 }), 'more', Mail),
  ],
});
try {
  await container.loadAsync(module);
} catch (error) {
  process.stdout.write(`${BusError.is(error) ? error.code : String(error)}\n`);
}
