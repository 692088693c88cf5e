// For both-buses: URL TOPIC FOREIGN_URL ENTRY...: prints what came over both buses, and ends when nothing is open.
module.exports = async function overBoth({ connect, topic }, load, core) {
  const [url, name, foreign, ...entries] = process.argv.slice(2);
  const options = { source: '/installed' };
  for (const entry of entries) await load(entry);
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
  console.log(JSON.stringify({ ...told, core }));
};
