import type { Adapter } from '@duobus/core';
import type { LogDriver, LogMember, QueueDriver, QueueMember } from '@duobus/core/driver';
import { intercept } from '../intercept.ts';

/** An adapter with one fault, and the case that has to find it. */
export interface Mutant {
  readonly name: string;
  readonly killedBy: string;
  /** Begins anew: what is returned breaks every adapter of one run, which share what they have to. */
  readonly begin: () => (adapter: Adapter) => Adapter;
}

type Methods<T> = Parameters<typeof intercept<T & object>>[1];

export function queueMutant(
  name: string,
  killedBy: string,
  begin: () => Methods<QueueDriver>,
): Mutant {
  return {
    name,
    killedBy,
    begin: () => {
      const change = begin();
      return (adapter) =>
        adapter.queue === undefined
          ? adapter
          : { ...adapter, queue: intercept(adapter.queue, change) };
    },
  };
}

export function logMutant(name: string, killedBy: string, begin: () => Methods<LogDriver>): Mutant {
  return {
    name,
    killedBy,
    begin: () => {
      const change = begin();
      return (adapter) =>
        adapter.log === undefined ? adapter : { ...adapter, log: intercept(adapter.log, change) };
    },
  };
}

/** Where it was consumed from, for members that have to know. */
export interface Consumed {
  readonly topic: Parameters<QueueDriver['consume']>[0];
  readonly name: string;
  readonly source: 'main' | 'dead';
  readonly queue: QueueDriver;
}

export function queueMemberMutant(
  name: string,
  killedBy: string,
  begin: () => (member: QueueMember, consumed: Consumed) => Partial<QueueMember>,
): Mutant {
  return queueMutant(name, killedBy, () => {
    const change = begin();
    return (queue) => ({
      consume: async (topic, subscription, source, credit, signal) => {
        const member = await queue.consume(topic, subscription, source, credit, signal);
        return intercept(member, (original) =>
          change(original, { topic, name: subscription, source, queue }),
        );
      },
    });
  });
}

export function logMemberMutant(
  name: string,
  killedBy: string,
  begin: () => (
    member: LogMember,
    joined: { readonly topic: string; readonly group: string },
  ) => Partial<LogMember>,
): Mutant {
  return logMutant(name, killedBy, () => {
    const change = begin();
    return (log) => ({
      join: async (topic, group, as, signal) => {
        const member = await log.join(topic, group, as, signal);
        return intercept(member, (original) => change(original, { topic: topic.name, group }));
      },
    });
  });
}
