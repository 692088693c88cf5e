// #region adapter
import type { Adapter, AdapterConfig } from '@duobus/core';
import { MyLogDriver } from './log-driver.ts';
import { MyQueueDriver } from './queue-driver.ts';

export interface MyOptions {
  /** Where the broker is. */
  readonly url: string;
}

/** Both buses over my broker. Leave out the driver of a bus that it is not to have. */
export function myAdapter({ url }: MyOptions): Adapter {
  return { name: 'my-adapter', queue: new MyQueueDriver(url), log: new MyLogDriver(url) };
}

/** What `connect('my://...')` calls, once it is registered. */
export function createAdapter({ url, options }: AdapterConfig): Adapter {
  return myAdapter({ url, ...options });
}
// #endregion adapter
