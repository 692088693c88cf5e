import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Broker, startBroker } from '@duobus/brokers';
import type { ScaleOptions } from './scale-options.ts';
import type { Mark, Task } from './scale-worker.ts';

const worker = fileURLToPath(new URL('scale-worker.ts', import.meta.url));
const settleMs = 3_000;

/** What so many cost: all processes together, and the broker by itself. */
export interface ScaleFigures {
  readonly count: number;
  readonly connections: number;
  /** RabbitMQ's. */
  readonly channels: number | undefined;
  readonly startSeconds: number;
  readonly startCpuSeconds: number;
  readonly startBrokerCpuSeconds: number;
  /** CPU while nothing happens, in percent of a core. */
  readonly idlePercent: number;
  readonly idleBrokerPercent: number;
  readonly rssMb: number;
  readonly brokerRssMb: number;
  /** Ten documents for each topic, and every subscription has each. */
  readonly deliveries: number;
  readonly handleSeconds: number;
  readonly handleCpuSeconds: number;
  readonly handleBrokerCpuSeconds: number;
  readonly closeSeconds: number;
}

/** Plays one size on a broker of its own: processes subscribe, rest, handle and close, all at the same time. */
export async function measure(options: ScaleOptions, count: number): Promise<ScaleFigures> {
  const { adapter, shape } = options;
  const processes = shape === 'group' ? options.processes : 1;
  await using broker = await startBroker(adapter === 'redis-streams' ? 'redis' : adapter);
  const children = Array.from({ length: processes }, () =>
    fork(worker, { execArgv: ['--conditions=duobus:source'] }),
  );
  try {
    const next = (message: Task | 'on'): Promise<Moment> => momentOf(children, broker, message);
    const connected = await next({ shape, count, processes, url: broker.url, run: `${count}` });
    const ready = await next('on');
    const channels = adapter === 'rabbitmq' ? await channelsOf(broker) : undefined;
    await sleep(settleMs);
    const rested = await next('on');
    await sleep(options.idleSeconds * 1_000);
    const idle = await next('on');
    const handled = await next('on');
    const closed = await next('on');
    const starting = costOf(connected, ready);
    const resting = costOf(rested, idle);
    const handling = costOf(idle, handled);
    return {
      count,
      connections: idle.sockets,
      channels,
      startSeconds: starting.seconds,
      startCpuSeconds: starting.cpuSeconds,
      startBrokerCpuSeconds: starting.brokerCpuSeconds,
      idlePercent: (100 * resting.cpuSeconds) / resting.seconds,
      idleBrokerPercent: (100 * resting.brokerCpuSeconds) / resting.seconds,
      rssMb: idle.rssMb,
      brokerRssMb: idle.brokerRssMb,
      deliveries: handled.handled,
      handleSeconds: handling.seconds,
      handleCpuSeconds: handling.cpuSeconds,
      handleBrokerCpuSeconds: handling.brokerCpuSeconds,
      closeSeconds: costOf(handled, closed).seconds,
    };
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

/** All processes have come to the same mark. */
interface Moment {
  readonly atMs: number;
  readonly cpuMs: number;
  readonly brokerCpuMs: number;
  readonly rssMb: number;
  readonly brokerRssMb: number;
  readonly sockets: number;
  readonly handled: number;
}

async function momentOf(
  children: readonly ChildProcess[],
  broker: Broker,
  message: Task | 'on',
): Promise<Moment> {
  const coming = children.map((child) => markOf(child));
  for (const child of children) child.send(message);
  const marks = await Promise.all(coming);
  const sum = (of: (mark: Mark) => number): number =>
    marks.reduce((total, each) => total + of(each), 0);
  const { cpuMs, rssBytes } = broker.usage();
  return {
    atMs: Date.now(),
    cpuMs: sum((each) => each.cpuMs),
    brokerCpuMs: cpuMs,
    rssMb: sum(({ rssBytes: bytes }) => bytes) / 1_048_576,
    brokerRssMb: rssBytes / 1_048_576,
    sockets: sum(({ sockets }) => sockets),
    handled: sum(({ handled }) => handled),
  };
}

async function markOf(child: ChildProcess): Promise<Mark> {
  const stopped = new AbortController();
  try {
    return await Promise.race([
      once(child, 'message', stopped).then(([said]) => said as Mark),
      once(child, 'exit', stopped).then(([code]) => {
        throw new Error(`a process of the measurement ended with ${String(code)}`);
      }),
    ]);
  } finally {
    stopped.abort();
  }
}

interface Cost {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly brokerCpuSeconds: number;
}

function costOf(from: Moment, to: Moment): Cost {
  return {
    seconds: (to.atMs - from.atMs) / 1_000,
    cpuSeconds: (to.cpuMs - from.cpuMs) / 1_000,
    brokerCpuSeconds: (to.brokerCpuMs - from.brokerCpuMs) / 1_000,
  };
}

async function channelsOf(broker: Broker): Promise<number> {
  const listed = await broker.ctl('-q', 'list_channels', 'name');
  return listed.split('\n').filter((line) => line.includes('->')).length;
}
