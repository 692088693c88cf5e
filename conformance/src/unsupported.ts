import { type Bus, BusError, topic } from '@duobus/core';
import type { Kind } from './protocol.ts';

/** Whether the adapter has this bus at all. */
export function declares(bus: Bus, kind: Kind): boolean {
  try {
    return (kind === 'event' ? bus.events : bus.data).capabilities !== undefined;
  } catch (error) {
    if (BusError.is(error, 'DUOBUS_NOT_SUPPORTED')) return false;
    throw error;
  }
}

/** A bus that is not declared must say so at every verb. */
export async function checkUnsupported(bus: Bus, kind: Kind): Promise<void> {
  for (const [verb, call] of Object.entries(kind === 'event' ? eventVerbs(bus) : dataVerbs(bus))) {
    try {
      await call();
    } catch (error) {
      if (BusError.is(error, 'DUOBUS_NOT_SUPPORTED')) continue;
      throw new Error(
        `${kind} bus is not declared: ${verb} must fail with DUOBUS_NOT_SUPPORTED, but failed with ${String(error)}`,
        { cause: error },
      );
    }
    throw new Error(`${kind} bus is not declared, and yet ${verb} worked`);
  }
}

const any = topic<string>('unsupported');
const nothing = (): void => undefined;

async function drained(values: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of values) return;
}

function eventVerbs({ events }: Bus): Record<string, () => Promise<unknown>> {
  return {
    publish: async () => events.publish(any, 'x'),
    publishMany: async () => events.publishMany(any, ['x']),
    subscribe: async () => events.subscribe(any, 'x', nothing),
    unsubscribe: async () => events.unsubscribe(any, 'x'),
    subscriptions: async () => events.subscriptions(any),
    depth: async () => events.depth(any, 'x'),
    deadLetters: async () => drained(events.deadLetters(any, 'x')),
    'topics.ensure': async () => events.topics.ensure(any),
    'topics.list': async () => events.topics.list(),
    'topics.alter': async () => events.topics.alter(any, {}),
  };
}

function dataVerbs({ data }: Bus): Record<string, () => Promise<unknown>> {
  const receipt = { v: 1, topic: 'unsupported', id: 'x', partition: 0, time: 0 } as const;
  return {
    publish: async () => data.publish(any, 'x'),
    publishMany: async () => data.publishMany(any, ['x']),
    subscribe: async () => data.subscribe(any, 'x', nothing),
    reset: async () => data.reset(any, 'x', 'earliest'),
    lag: async () => data.lag(any, 'x'),
    pointers: async () => data.pointers(any, 'x'),
    waitFor: async () => data.waitFor(any, 'x', receipt, { timeoutMs: 1_000 }),
    read: async () => drained(data.read(any)),
    groups: async () => data.groups(any),
    remove: async () => data.remove(any, 'x'),
    deadLetters: async () => drained(data.deadLetters(any, 'x')),
    'topics.ensure': async () => data.topics.ensure(any),
    'topics.list': async () => data.topics.list(),
    'topics.alter': async () => data.topics.alter(any, {}),
  };
}
