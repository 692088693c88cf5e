import { connect, retryAfter, topic } from '@duobus/core';

/** A consumer process: prints every document it is handed before it handles it, and how often it was tried. */
const [url = '', name = '', order = 'none', slowId = ''] = process.argv.slice(2);

interface Document {
  readonly id: string;
  readonly key: string;
}

const documents = topic<Document>(name, {
  order: order === 'key' ? 'key' : 'none',
  key: ({ key }) => key,
  ...(order === 'key' ? { partitions: 4 } : {}),
});
const bus = await connect(
  { url, options: { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 200 } },
  { source: '/child' },
);

await bus.events.subscribe(
  documents,
  'work',
  async ({ id }, delivery) => {
    const { attempt, cause, redelivered } = delivery;
    process.stdout.write(`${JSON.stringify({ id, attempt, cause, redelivered })}\n`);
    if (id === slowId) await new Promise(() => undefined);
    // time enough to look at what is written, and to die, before the third attempt
    if (id === 'fails') throw retryAfter(attempt === 1 ? 50 : 6_000);
  },
  { concurrency: 8 },
);
process.stdout.write('{"ready":true}\n');
