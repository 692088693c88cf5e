import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { ListSubscriptionsCommand } from '@aws-sdk/client-sns';
import { DeleteQueueCommand, ListQueuesCommand } from '@aws-sdk/client-sqs';
import { testUrl } from '@duobus/brokers';
import type { Connection } from '../src/connection.ts';
import { type DoorbellOptions, SnsDoorbell } from '../src/doorbell.ts';
import type { SnsSqsOptions } from '../src/options.ts';
import { Proxy } from './support/proxy.ts';
import { endpoint, newConnection, soon } from './support/queue-connection.ts';
import { eventually } from './support/queues.ts';

interface Process extends AsyncDisposable {
  readonly connection: Connection;
  readonly doorbell: SnsDoorbell;
}

/** Nobody else hears or sweeps what is below it. */
const newPrefix = (): string => `bell${randomBytes(4).toString('hex')}`;

async function start(
  options: SnsSqsOptions & { readonly prefix: string },
  bell: DoorbellOptions = {},
): Promise<Process> {
  const connection = newConnection(options);
  await connection.open(soon());
  const doorbell = new SnsDoorbell(connection, bell);
  return {
    connection,
    doorbell,
    async [Symbol.asyncDispose]() {
      await doorbell.close();
      await connection.close();
    },
  };
}

/** What is heard in a channel, in order. */
function listen({ doorbell }: Process, channel: string): { heard: string[]; end: () => void } {
  const heard: string[] = [];
  return { heard, end: doorbell.listen(channel, (message) => heard.push(message)) };
}

const hears = (heard: readonly string[], ...messages: readonly string[]): Promise<unknown> =>
  eventually(
    async () => heard,
    (all) => messages.every((message) => all.includes(message)),
    5_000,
  );

async function queuesOf({ native }: Connection, prefix: string): Promise<readonly string[]> {
  const { QueueUrls = [] } = await native.sqs.send(
    new ListQueuesCommand({ QueueNamePrefix: prefix }),
  );
  return QueueUrls;
}

async function subscriptionsOf({ native }: Connection, prefix: string): Promise<number> {
  let count = 0;
  for (let NextToken: string | undefined; ; ) {
    const page = await native.sns.send(
      new ListSubscriptionsCommand(NextToken === undefined ? {} : { NextToken }),
    );
    for (const { TopicArn } of page.Subscriptions ?? [])
      if (TopicArn?.includes(`:${prefix}-`) === true) count += 1;
    NextToken = page.NextToken;
    if (NextToken === undefined) return count;
  }
}

const bells = async ({ settings, store }: Connection): Promise<readonly string[]> =>
  (await store.list(`${settings.root}bells/`, {}, soon())).objects.map(({ key }) => key);

describe('the doorbell over SNS and SQS', () => {
  it('is heard in other processes, in its channel alone, and says first that something may have been missed', async () => {
    const prefix = newPrefix();
    await using one = await start({ prefix });
    await using other = await start({ prefix });
    const a = listen(one, 'a');
    const b = listen(one, 'b');
    const own = listen(other, 'a');
    await Promise.all([a, b, own].map(({ heard }) => hears(heard, '')));
    assert.deepEqual([a.heard, b.heard, own.heard], [[''], [''], ['']]);
    other.doorbell.ring('a', 'x');
    assert.deepEqual(own.heard, ['', 'x'], 'at once in the same process');
    await hears(a.heard, 'x');
    assert.deepEqual(b.heard, ['']);
    const second = listen(one, 'a');
    await hears(second.heard, '');
    a.end();
    other.doorbell.ring('a', 'y');
    await hears(second.heard, 'y');
    assert.ok(!a.heard.includes('y'));
    // one of another prefix is another one
    await using foreign = await start({ prefix: newPrefix() });
    foreign.doorbell.ring('a', 'foreign');
    await foreign.doorbell.close();
    one.doorbell.ring('b', 'z');
    await hears(b.heard, 'z');
    assert.ok(!second.heard.includes('foreign'));
  });

  it('is rung seldom, however often it is asked to', async () => {
    const prefix = newPrefix();
    await using proxy = await Proxy.to(endpoint());
    await using one = await start({ prefix, endpoint: proxy.url });
    await using other = await start({ prefix });
    const { heard } = listen(other, 'a');
    await hears(heard, '');
    for (let ring = 0; ring < 1_000; ring += 1) one.doorbell.ring('a', `${ring % 10}`);
    await hears(heard, ...Array.from({ length: 10 }, (_, at) => `${at}`));
    assert.ok(proxy.count('Publish') <= 3, `${proxy.count('Publish')} publishes`);
    // the first went at once, and alone
    assert.ok(heard.length <= 12, heard.join());
    const before = proxy.count('Publish');
    for (let ring = 0; ring < 5_000; ring += 1) one.doorbell.ring('a', `many ${ring}`);
    await eventually(
      async () => heard.lastIndexOf(''),
      (at) => at > 0,
    );
    await one.doorbell.close();
    assert.ok(
      proxy.count('Publish') - before <= 12,
      `${proxy.count('Publish') - before} publishes`,
    );
  });

  it('rings on after SNS was away', async () => {
    const prefix = newPrefix();
    await using proxy = await Proxy.to(endpoint());
    await using one = await start({ prefix, endpoint: proxy.url });
    await using other = await start({ prefix });
    const { heard } = listen(other, 'a');
    await hears(heard, '');
    proxy.fault = ({ action }) => (action === 'Publish' ? { answer: 503 } : undefined);
    one.doorbell.ring('a', 'lost');
    await eventually(
      async () => proxy.count('Publish'),
      (count) => count === 1,
    );
    proxy.fault = () => undefined;
    await eventually(
      async () => {
        one.doorbell.ring('a', 'x');
        return heard;
      },
      (all) => all.includes('x'),
    );
    assert.ok(!heard.includes('lost'));
  });

  it('hears again after SQS was away, and says that something may have been missed', async () => {
    const prefix = newPrefix();
    await using proxy = await Proxy.to(endpoint());
    await using one = await start({ prefix, endpoint: proxy.url });
    await using other = await start({ prefix });
    const { heard } = listen(one, 'a');
    await hears(heard, '');
    proxy.fault = ({ action }) => (action === 'ReceiveMessage' ? 'cut' : undefined);
    const polls = proxy.count('ReceiveMessage');
    await eventually(
      async () => proxy.count('ReceiveMessage'),
      (count) => count >= polls + 2,
    );
    proxy.fault = () => undefined;
    await eventually(
      async () => heard.lastIndexOf(''),
      (at) => at > 0,
    );
    other.doorbell.ring('a', 'x');
    await hears(heard, 'x');
  });

  it('makes anew a queue that was deleted, and says that something may have been missed', async () => {
    const prefix = newPrefix();
    await using one = await start({ prefix });
    await using other = await start({ prefix });
    const a = listen(one, 'a');
    const b = listen(one, 'b');
    await Promise.all([hears(a.heard, ''), hears(b.heard, '')]);
    const [QueueUrl, ...more] = await queuesOf(one.connection, prefix);
    assert.deepEqual(more, [], 'one queue for everything');
    await one.connection.native.sqs.send(new DeleteQueueCommand({ QueueUrl }));
    for (const { heard } of [a, b])
      await eventually(
        async () => heard.lastIndexOf(''),
        (at) => at > 0,
      );
    assert.deepEqual(await queuesOf(one.connection, prefix), [QueueUrl]);
    other.doorbell.ring('a', 'x');
    other.doorbell.ring('b', 'y');
    await Promise.all([hears(a.heard, 'x'), hears(b.heard, 'y')]);
  });

  it('stays subscribed for whoever waits in turns, and says each time that something may have been missed', async () => {
    const prefix = newPrefix();
    await using proxy = await Proxy.to(endpoint());
    await using one = await start({ prefix, endpoint: proxy.url });
    await using other = await start({ prefix });
    await hears(listen(one, 'b').heard, '');
    for (let turn = 0; turn < 3; turn += 1) {
      const { heard, end } = listen(one, 'a');
      await hears(heard, '');
      other.doorbell.ring('a', 'x');
      await hears(heard, 'x');
      assert.deepEqual(heard, ['', 'x']);
      end();
    }
    assert.deepEqual([proxy.count('Subscribe'), proxy.count('Unsubscribe')], [2, 0]);
  });

  it('leaves nothing behind but the SNS topics, and what a dead process has left is removed by others', async () => {
    const prefix = newPrefix();
    await using other = await start({ prefix });
    const { connection } = other;
    const left = async (): Promise<readonly number[]> => [
      (await queuesOf(connection, prefix)).length,
      await subscriptionsOf(connection, prefix),
      (await bells(connection)).length,
    ];
    const closed = await start({ prefix }, { lingerMs: 0 });
    const heard = ['a', 'b'].map((channel) => listen(closed, channel));
    await Promise.all(heard.map((each) => hears(each.heard, '')));
    heard[0]?.end();
    await eventually(left, ([, subscriptions]) => subscriptions === 1);
    assert.deepEqual(await left(), [1, 1, 1]);
    await closed[Symbol.asyncDispose]();
    assert.deepEqual(await left(), [0, 0, 0]);
    // rings and listens to nothing any more
    closed.doorbell.ring('a', 'x');
    await closed.doorbell.close();

    const dead = await start({ prefix });
    await hears(listen(dead, 'a').heard, '');
    const [deadQueue = ''] = await queuesOf(connection, prefix);
    await dead.connection.close();
    await using living = await start({ prefix });
    const { heard: alive } = listen(living, 'a');
    await hears(alive, '');
    assert.deepEqual(await left(), [2, 2, 2], 'it may be alive');
    await using sweeper = await start({ prefix }, { abandonedMs: 0 });
    await hears(listen(sweeper, 'a').heard, '');
    await eventually(
      () => queuesOf(connection, prefix),
      (queues) => !queues.includes(deadQueue),
    );
    // who was taken for dead, and lives, makes its queue again
    await eventually(left, (now) => now.every((count) => count === 2));
    await eventually(
      async () => {
        other.doorbell.ring('a', 'x');
        return alive;
      },
      (all) => all.includes('x'),
    );
    await dead.doorbell.close();
  });

  it('keeps no process alive that has closed it', async () => {
    const script = `
      import { connect } from '@duobus/core';
      const bus = await connect({ url: process.argv[1], options: { pollMs: 20000 } }, { source: '/test' });
      const { snsSqs } = await import('@duobus/sns-sqs');
      const { Connection } = await import('./src/connection.ts');
      const { SnsDoorbell } = await import('./src/doorbell.ts');
      const { optionsOfUrl, settingsOf } = await import('./src/options.ts');
      const connection = new Connection(settingsOf(optionsOfUrl(process.argv[1])));
      const doorbell = new SnsDoorbell(connection);
      await new Promise((resolve) => doorbell.listen('a', resolve));
      doorbell.ring('a', 'x');
      await doorbell.close();
      await connection.close();
      await bus.close();
    `;
    const child = spawn(
      process.execPath,
      [
        '--conditions=duobus:source',
        '--input-type=module-typescript',
        '-e',
        script,
        testUrl('sns-sqs'),
      ],
      { cwd: new URL('..', import.meta.url), timeout: 15_000 },
    );
    const [errors, [code, signal]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    assert.deepEqual([code, signal], [0, null], errors);
  });
});
