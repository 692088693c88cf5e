import type { Adapter, AdapterConfig } from '@duobus/core';
import { intercept } from '../../src/intercept.ts';
import { memory, MemoryBroker } from './memory.ts';

const broker = new MemoryBroker('own');

/** An adapter of somebody's own, reached by a URL, which tells what its publishes do besides. */
export function createAdapter({ url }: AdapterConfig): Adapter {
  const adapter = memory(broker);
  const { queue } = adapter;
  if (queue === undefined) return adapter;
  const { host } = new URL(url);
  return {
    ...adapter,
    queue: intercept(queue, ({ publish }) => ({
      publish: (...args) => {
        if (host === 'dies') process.exit(7);
        if (host === 'spins') for (;;);
        if (host === 'fails') throw new Error('the broker has gone away');
        return publish.apply(queue, args);
      },
    })),
  };
}
