// As both-buses.mjs, with types and an adapter made by hand: the test puts the one that it is about in memory's place.
import { type Delivery, connect, topic } from '@duobus/core';
import { createAdapter } from '@duobus/memory';

interface Order {
  readonly orderId: string;
}

const [url = '', name = '', foreign = ''] = process.argv.slice(2);
const options = { source: '/installed' };

const missing = await connect(foreign, options).then(
  () => '',
  (error: Error) => error.message,
);
const Orders = topic<Order>(name, { key: (order) => order.orderId });
const told = await both();
console.log(JSON.stringify({ ...told, missing, core: import.meta.resolve('@duobus/core') }));

async function both(): Promise<{ readonly events: Order; readonly data: readonly Order[] }> {
  await using bus = await connect(createAdapter({ url }), options);

  let arrived: (order: Order) => void = () => undefined;
  const event = new Promise<Order>((resolve) => {
    arrived = resolve;
  });
  await bus.events.subscribe(Orders, 'installed', (order) => arrived(order));
  await bus.events.publish(Orders, { orderId: 'event' });

  const read: Order[] = [];
  const handler = (order: Order, { attempt }: Delivery): void => {
    if (attempt === 1) read.push(order);
  };
  await bus.data.subscribe(Orders, 'installed', handler, { from: 'earliest' });
  const receipt = await bus.data.publish(Orders, { orderId: 'data' });
  await bus.data.waitFor(Orders, 'installed', receipt, { timeoutMs: 30_000 });
  return { events: await event, data: read };
}
