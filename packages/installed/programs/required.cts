// Types where import becomes require: the house's own rules forbid that, so that only the test compiles this.
import { connect, topic } from '@duobus/core';
import { createAdapter } from '@duobus/memory';

const Orders = topic<{ readonly orderId: string }>('orders');

export async function publish(url: string, orderId: string): Promise<string> {
  const bus = await connect(createAdapter({ url }), { source: '/installed' });
  const { id } = await bus.events.publish(Orders, { orderId });
  await bus.close();
  return id;
}
