import type { Adapter } from '@duobus/core';
import { systemClock } from '@duobus/core/driver';
import { MemoryBroker, sharedBroker } from './broker.ts';
import { Connection } from './connection.ts';
import { MemoryLogDriver } from './log-driver.ts';
import type { MemoryOptions } from './options.ts';
import { MemoryQueueDriver } from './queue-driver.ts';

export { MemoryBroker, type PublishFault } from './broker.ts';
export type { Clock } from '@duobus/core/driver';
export type { BrokerLimits, BrokerOptions, MemoryOptions } from './options.ts';

/** URL schemes of this adapter: `memory:` or `memory://name`. */
export const schemes: readonly string[] = ['memory'];

/** Both buses inside this process. Buses of one `name`, or of one broker, see each other.
 *  @example const bus = await connect(memory(), { source: '/shop' }) */
export function memory(options: MemoryOptions | MemoryBroker = {}): Adapter<MemoryBroker> {
  const broker = options instanceof MemoryBroker ? options : brokerOf(options);
  const queue = new Connection(broker);
  const log = new Connection(broker);
  const adapter: Adapter<MemoryBroker> = {
    name: 'memory',
    queue: new MemoryQueueDriver(queue),
    log: new MemoryLogDriver(log),
    ...(broker.clock === systemClock ? {} : { clock: broker.clock }),
  };
  broker.register(adapter, [queue, log]);
  return adapter;
}

/** What `connect('memory://name')` calls. */
export function createAdapter(config: {
  readonly url: string | URL;
  readonly options?: MemoryOptions;
}): Adapter<MemoryBroker> {
  const url = new URL(config.url);
  const name = url.host || url.pathname.replaceAll('/', '') || 'default';
  return memory({ ...config.options, name });
}

function brokerOf({ name, ...options }: MemoryOptions): MemoryBroker {
  if (name === undefined) return new MemoryBroker('(private)', options);
  if (typeof name !== 'string' || name === '')
    throw new TypeError('memory: name must be a string that is not empty');
  return sharedBroker(name, options);
}
