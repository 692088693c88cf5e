import { type AdapterModule, connect, registerAdapter } from '@duobus/core';
import type { Harness, ProcessesHarness } from './harness.ts';

/** A harness for brokers that are reached by a URL: consumers that have to die get processes of their own. */
export function overUrl(
  url: string,
  more: Omit<ProcessesHarness, 'url'> & { readonly module?: AdapterModule } = {},
): Required<Pick<Harness, 'connect' | 'processes'>> {
  const { module, ...rest } = more;
  if (module !== undefined) registerAdapter(url.slice(0, url.indexOf(':')), module);
  return {
    connect: (options) =>
      connect(rest.options === undefined ? url : { url, options: rest.options }, options),
    processes: { url, ...rest },
  };
}
