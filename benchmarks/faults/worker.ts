import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@duobus/core';
import type { Delivery, Handle } from '@duobus/core';
import { EventLog } from './event-log.ts';
import { faultTopic, type Setting } from './load.ts';
import { type FaultDocument, sightingOf } from './sighting.ts';

/** What a consumer process is told. */
export interface Task {
  readonly url: string;
  readonly setting: Setting;
  /** Name of the subscription or group. */
  readonly name: string;
  readonly process: string;
  readonly log: string;
  readonly prefetch: number;
  readonly concurrency: number;
  readonly handlerMs: readonly [number, number];
}

export type Said = { readonly type: 'ready' } | { readonly type: 'left' };

process.once('message', (task: Task) => {
  void consume(task);
});

async function consume(task: Task): Promise<void> {
  const { setting, name, prefetch, concurrency } = task;
  const log = new EventLog(task.log);
  const bus = await connect(task.url, { source: `/faults/${task.process}` });
  const [least, most] = task.handlerMs;
  const handler = async (document: FaultDocument, delivery: Delivery): Promise<void> => {
    const n = log.began(sightingOf(document, delivery, task.process));
    if (document.poison === true) process.kill(process.pid, 'SIGKILL');
    await sleep(least + Math.random() * (most - least));
    log.ended(n);
  };
  const options = { prefetch, concurrency };
  const handle: Handle =
    setting.kind === 'event'
      ? await bus.events.subscribe(faultTopic(setting), name, handler, options)
      : await bus.data.subscribe(faultTopic(setting), name, handler, options);
  const leave = async (): Promise<void> => {
    await handle.close();
    await bus.close();
    log.close();
    process.send?.({ type: 'left' } satisfies Said, () => process.disconnect());
  };
  process.once('message', () => void leave());
  // whoever started this process is gone: nobody is left to judge what it does
  process.once('disconnect', () => process.exit());
  process.send?.({ type: 'ready' } satisfies Said);
}
