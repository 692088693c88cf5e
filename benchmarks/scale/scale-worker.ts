import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, connect, type Handle, topic, type Topic } from '@duobus/core';
import type { Shape } from './scale-options.ts';

/** What a process of the measurement is told first; after each mark it waits to be told to go on. */
export interface Task {
  readonly shape: Shape;
  readonly count: number;
  readonly processes: number;
  readonly url: string;
  readonly run: string;
}

/** What it has cost until then. */
export interface Mark {
  readonly cpuMs: number;
  readonly rssBytes: number;
  readonly sockets: number;
  readonly handled: number;
}

interface Numbered {
  readonly n: number;
}

const documentsPerTopic = 10;
let handled = 0;

process.once('message', (task: Task) => void play(task));

async function play(task: Task): Promise<void> {
  // whoever started this process is gone
  process.once('disconnect', () => process.exit());
  const bus = await connect(task.url, { source: '/scale' });
  const topics = topicsOf(task);
  await mark();
  const handles = await subscribeAll(task, bus, topics);
  if (task.shape === 'group') await untilFair(task, handles);
  await mark();
  // what was left of starting is over
  await mark();
  // what nothing to do costs is seen
  await mark();
  if (task.shape !== 'group') await publishAll(bus, topics, handles.length);
  await mark();
  await bus.close();
  await mark();
  process.disconnect();
}

function topicsOf({ shape, count, run }: Task): readonly Topic<Numbered>[] {
  if (shape === 'topics')
    return Array.from({ length: count }, (_, n) => topic<Numbered>(`scale-${run}-${n}`));
  const options = shape === 'group' ? { partitions: count } : {};
  return [topic<Numbered>(`scale-${run}`, options)];
}

async function subscribeAll(
  { shape, count }: Task,
  bus: Bus,
  topics: readonly Topic<Numbered>[],
): Promise<readonly Handle[]> {
  const handler = (): void => {
    handled += 1;
  };
  const [first] = topics as [Topic<Numbered>];
  if (shape === 'group') return [await bus.data.subscribe(first, 'scale', handler)];
  if (shape === 'topics')
    return Promise.all(topics.map((each) => bus.events.subscribe(each, 'scale', handler)));
  const names = Array.from({ length: count }, (_, n) => `scale-${n}`);
  return Promise.all(names.map((name) => bus.events.subscribe(first, name, handler)));
}

async function untilFair({ count, processes }: Task, [handle]: readonly Handle[]): Promise<void> {
  const fair = (): boolean => {
    const owned = handle?.stats().partitions.length ?? 0;
    return owned >= Math.floor(count / processes) && owned <= Math.ceil(count / processes);
  };
  while (!fair()) await sleep(10);
}

async function publishAll(
  bus: Bus,
  topics: readonly Topic<Numbered>[],
  subscriptions: number,
): Promise<void> {
  for (let n = 0; n < documentsPerTopic; n += 1)
    await Promise.all(topics.map((one) => bus.events.publish(one, { n })));
  const isOver = (): boolean => handled >= documentsPerTopic * subscriptions;
  while (!isOver()) await sleep(5);
}

async function mark(): Promise<void> {
  const { user, system } = process.cpuUsage();
  process.send?.({
    cpuMs: (user + system) / 1_000,
    rssBytes: process.memoryUsage.rss(),
    sockets: process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length,
    handled,
  } satisfies Mark);
  await once(process, 'message');
}
