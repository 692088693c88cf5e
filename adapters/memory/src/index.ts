import type { Adapter } from '@duobus/core';
import { systemClock } from '@duobus/core/driver';
import { MemoryBroker, sharedBroker } from './broker.ts';
import { Connection } from './connection.ts';
import { MemoryLogDriver } from './log-driver.ts';
import { type MemoryOptions, nameOf, nameOfUrl } from './options.ts';
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

/** What `connect('memory://name')` calls. Options win over what the URL says. */
export function createAdapter(config: {
  readonly url: string;
  readonly options?: MemoryOptions;
}): Adapter<MemoryBroker> {
  return memory({ name: nameOfUrl(config.url), ...config.options });
}

function brokerOf(options: MemoryOptions): MemoryBroker {
  const { name, rest } = nameOf(options);
  return name === undefined ? new MemoryBroker('(private)', rest) : sharedBroker(name, rest);
}
