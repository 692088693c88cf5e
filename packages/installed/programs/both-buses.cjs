// As both-buses.mjs, for those who still say require.
const { pathToFileURL } = require('node:url');
const { connect, topic } = require('@duobus/core');

const [url, name, foreign, ...entries] = process.argv.slice(2);
const options = { source: '/installed' };

async function main() {
  for (const entry of entries) require(entry);
  const missing = await connect(foreign, options).catch((error) => error.message);

  const Orders = topic(name, { key: (order) => order.orderId });
  const bus = await connect(url, options);

  const event = Promise.withResolvers();
  await bus.events.subscribe(Orders, 'installed', event.resolve);
  await bus.events.publish(Orders, { orderId: 'event' });

  const read = [];
  await bus.data.subscribe(Orders, 'installed', (order) => void read.push(order));
  const receipt = await bus.data.publish(Orders, { orderId: 'data' });
  await bus.data.waitFor(Orders, 'installed', receipt);

  const told = { events: await event.promise, data: read, missing };
  await bus.close();
  const core = pathToFileURL(require.resolve('@duobus/core')).href;
  console.log(JSON.stringify({ ...told, core }));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
