import type { Adapter } from '@duobus/core';
import type { LogDriver, LogMember, QueueDriver, QueueMember } from '@duobus/core/driver';
import { intercept } from '../intercept.ts';

/** What breaks adapters. Called anew for every run: the adapters of one run share what they have to. */
export type Defect = () => (adapter: Adapter) => Adapter;

/** An adapter with one fault, and the case that has to find it. */
export interface Mutant {
  /** `operator@point`, stable. */
  readonly name: string;
  /** What goes wrong. */
  readonly operator: string;
  /** Where in the seam. */
  readonly point: string;
  readonly killedBy: string;
  readonly begin: Defect;
}

/** One operator at several points: for each the case that has to find it, and how it is done there. */
export function operator(
  name: string,
  points: Readonly<Record<string, readonly [killedBy: string, defect: Defect]>>,
): readonly Mutant[] {
  return Object.entries(points).map(([point, [killedBy, begin]]) => ({
    name: `${name}@${point}`,
    operator: name,
    point,
    killedBy,
    begin,
  }));
}

type Methods<T extends object> = Parameters<typeof intercept<T>>[1];

export function inQueue(begin: () => Methods<QueueDriver>): Defect {
  return () => {
    const change = begin();
    return (adapter) =>
      adapter.queue === undefined
        ? adapter
        : { ...adapter, queue: intercept(adapter.queue, change) };
  };
}

export function inLog(begin: () => Methods<LogDriver>): Defect {
  return () => {
    const change = begin();
    return (adapter) =>
      adapter.log === undefined ? adapter : { ...adapter, log: intercept(adapter.log, change) };
  };
}

/** Where it was consumed from, for members that have to know. */
export interface Consumed {
  readonly topic: Parameters<QueueDriver['consume']>[0];
  readonly name: string;
  readonly source: 'main' | 'dead';
  readonly queue: QueueDriver;
}

export function inQueueMember(
  begin: () => (member: QueueMember, consumed: Consumed) => Partial<QueueMember>,
): Defect {
  return inQueue(() => {
    const change = begin();
    return (queue) => ({
      consume: async (topic, name, source, credit, signal) => {
        const member = await queue.consume(topic, name, source, credit, signal);
        return intercept(member, (original) => change(original, { topic, name, source, queue }));
      },
    });
  });
}

/** Which group it is a member of. */
export interface Joined {
  readonly topic: Parameters<LogDriver['join']>[0];
  readonly group: string;
  readonly log: LogDriver;
}

export function inLogMember(
  begin: () => (member: LogMember, joined: Joined) => Partial<LogMember>,
): Defect {
  return inLog(() => {
    const change = begin();
    return (log) => ({
      join: async (topic, group, as, signal) => {
        const member = await log.join(topic, group, as, signal);
        return intercept(member, (original) => change(original, { topic, group, log }));
      },
    });
  });
}
