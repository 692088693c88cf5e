import { openDriver, makeTopic, records, soon } from './driver.ts';

/** A process of its own: `once` uses the adapter and must then end by itself, `consume` prints what a member gets. */
const [mode = '', topicJson = ''] = process.argv.slice(2);

const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

if (mode === 'once') {
  const driver = await openDriver();
  const topic = await makeTopic(driver);
  await driver.append(topic, 0, records(['x']), soon());
  await driver.read(topic, 0, { offset: 0, time: 0 }, { maxBytes: 1_000, maxWaitMs: 0 }, soon());
  const member = await driver.join(topic, 'g', crypto.randomUUID(), soon());
  await member.receive(soon());
  await driver.edit(topic, 'h', () => ({ place: { offset: 0, time: 0 }, text: '' }), 1_000, soon());
  await driver.close();
  print({ type: 'closed' });
} else {
  const driver = await openDriver();
  const topic = JSON.parse(topicJson) as Awaited<ReturnType<typeof makeTopic>>;
  const member = await driver.join(topic, 'g', crypto.randomUUID(), soon());
  for (;;) {
    for (const event of await member.receive(soon(120_000))) {
      if (event.type === 'records')
        print({
          type: event.type,
          partition: event.partition,
          offsets: event.records.map(({ offset }) => offset),
        });
      else print({ type: event.type, partition: 'partition' in event ? event.partition : -1 });
      if (event.type === 'assigned')
        member.start(event.partition, event.token, event.pointer?.place ?? { offset: 0, time: 0 });
      if (event.type === 'revoking') await member.release(event.partition, event.token);
    }
  }
}
