import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { testUrl } from '@duobus/brokers';
import { type Bus, connect, topic, type Topic } from '@duobus/core';
import { eventually } from './support/driver.ts';
import { groupsOf, heldByKafka, withAdmin } from './support/queue.ts';

interface Line {
  readonly id?: string;
  readonly ready?: true;
  readonly attempt?: number;
  readonly cause?: string;
  readonly redelivered?: boolean;
}

interface Document {
  readonly id: string;
  readonly key: string;
}

interface Child {
  readonly process: ChildProcess;
  readonly lines: readonly Line[];
}

/** None outlives the tests, whatever becomes of them. */
const children = new Set<ChildProcess>();

async function start(name: string, order: 'none' | 'key', slow = ''): Promise<Child> {
  const script = fileURLToPath(new URL('./support/events-child.ts', import.meta.url));
  const args = ['--conditions=duobus:source', script, testUrl('kafka'), name, order, slow];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  const lines: Line[] = [];
  createInterface({ input: child.stdout }).on('line', (line) =>
    lines.push(JSON.parse(line) as Line),
  );
  await eventually(
    async () => lines,
    (all) => all.some(({ ready }) => ready),
  );
  return { process: child, lines };
}

async function kill({ process: child }: Child): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

const openBus = (): Promise<Bus> =>
  connect(
    { url: testUrl('kafka'), options: { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 200 } },
    { source: '/parent' },
  );

const topicOf = (order: 'none' | 'key'): Topic<Document> =>
  topic<Document>(`test-${crypto.randomUUID()}`, {
    order,
    key: ({ key }) => key,
    ...(order === 'key' ? { partitions: 4 } : {}),
  });

const of = (lines: readonly Line[], wanted: string): readonly Line[] =>
  lines.filter(({ id }) => id === wanted);

/** The only document of the topic has failed so often, and Kafka has it. */
async function untilWritten(
  bus: Bus,
  documents: Topic<Document>,
  order: 'none' | 'key',
  failures: number,
): Promise<void> {
  await eventually(
    () => (order === 'key' ? notesOf(documents) : copiesOf(documents)),
    (written) => written.includes(failures),
  );
  // of the copies, all but the last are settled
  if (order === 'none')
    await eventually(
      async () => (await bus.events.depth(documents, 'work')).delayed,
      (delayed) => delayed === 1,
    );
}

/** How often documents have failed, by what is written beside the pointers. */
const notesOf = ({ name }: Topic<Document>): Promise<readonly number[]> =>
  withAdmin(async (admin) => {
    const [groupId = ''] = await groupsOf({ name });
    const pointers = await admin.fetchOffsets({ groupId, topics: [`__duobus.event.${name}`] });
    const texts = pointers.flatMap(({ partitions }) => partitions.map(({ metadata }) => metadata));
    return [...texts.join().matchAll(/\\"f\\":(\d+)/g)].map(([, failed]) => Number(failed));
  });

/** How many copies have been written of documents that failed. */
const copiesOf = ({ name }: Topic<Document>): Promise<readonly number[]> =>
  withAdmin(async (admin) => {
    const topics = await admin.listTopics();
    const own = topics.find((one) => one.startsWith(`__duobus.subscription.${name}.`)) ?? '';
    const offsets = await admin.fetchTopicOffsets(own);
    return offsets.filter(({ partition }) => partition === 0).map(({ high }) => Number(high));
  });

describe('processes that consume events from Kafka', { concurrency: 3 }, () => {
  after(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  for (const order of ['none', 'key'] as const) {
    it(`are replaced when they are killed: nothing is lost, and only what they held is repeated (order ${order})`, async () => {
      await using bus = await openBus();
      const documents = topicOf(order);
      const first = await start(documents.name, order, 'slow');
      const ids = Array.from({ length: 200 }, (_, index) => `d-${index}`);
      await bus.events.publish(documents, { id: 'slow', key: 'its own' });
      await Promise.all(ids.map((id) => bus.events.publish(documents, { id, key: id })));
      await eventually(
        async () => (await bus.events.depth(documents, 'work')).total,
        (total) => total === 1,
      );
      await kill(first);
      const second = await start(documents.name, order);
      await eventually(
        async () => of(second.lines, 'slow').length,
        (count) => count === 1,
        40_000,
      );
      await bus.events.publish(documents, { id: 'after', key: 'its own' });
      await eventually(
        async () => (await bus.events.depth(documents, 'work')).total,
        (total) => total === 0,
        40_000,
      );
      const [slow, ...more] = of(second.lines, 'slow');
      assert.deepEqual([slow?.cause, slow?.redelivered, more.length], ['takeover', true, 0]);
      assert.deepEqual(
        of(second.lines, 'after').map(({ cause }) => cause),
        ['first'],
      );
      for (const id of ids) {
        assert.equal(of(first.lines, id).length, 1, id);
        assert.equal(of(second.lines, id).length, 0, id);
      }
      await eventually(
        () => heldByKafka(documents.name),
        (held) => held === 0,
      );
      await kill(second);
    });
  }

  it('leave their retries and the attempts made to whoever comes after them', async () => {
    for (const order of ['none', 'key'] as const) {
      await using bus = await openBus();
      const documents = topicOf(order);
      const first = await start(documents.name, order);
      await bus.events.publish(documents, { id: 'fails', key: 'a' });
      await eventually(
        async () => of(first.lines, 'fails').length,
        (count) => count === 2,
      );
      await untilWritten(bus, documents, order, 2);
      await kill(first);
      const tried = of(first.lines, 'fails').length;
      const second = await start(documents.name, order);
      await eventually(
        async () => of(second.lines, 'fails').length,
        (count) => count > 0,
        40_000,
      );
      assert.equal(of(second.lines, 'fails')[0]?.attempt, tried + 1);
      await kill(second);
    }
  });

  it('get nothing of a partition that has gone to another while they were frozen', async () => {
    await using bus = await openBus();
    const documents = topicOf('key');
    const frozen = await start(documents.name, 'key');
    await bus.events.publish(documents, { id: 'before', key: 'a' });
    await eventually(
      async () => (await bus.events.depth(documents, 'work')).total,
      (total) => total === 0,
    );
    frozen.process.kill('SIGSTOP');
    const ids = Array.from({ length: 50 }, (_, index) => `d-${index}`);
    await Promise.all(ids.map((id) => bus.events.publish(documents, { id, key: id })));
    const heir = await start(documents.name, 'key');
    await eventually(
      async () => (await bus.events.depth(documents, 'work')).total,
      (total) => total === 0,
      40_000,
    );
    frozen.process.kill('SIGCONT');
    await bus.events.publish(documents, { id: 'sentinel', key: 'b' });
    await eventually(
      async () => of([...frozen.lines, ...heir.lines], 'sentinel').length,
      (count) => count === 1,
    );
    for (const id of ids)
      assert.equal(of([...frozen.lines, ...heir.lines], id).length, 1, `${id} is handled once`);
    await Promise.all([kill(frozen), kill(heir)]);
  });
});
