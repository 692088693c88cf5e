import type { BusOptions, Middleware } from '@duobus/core';
import type { Container } from 'inversify';
import type { Subscription } from './subscription.ts';

/** The options of `connect`, and what runs on the bus. */
export interface BusModuleOptions extends Partial<BusOptions> {
  /** Names the bus in a container that has several: its identifiers are those of `busIds(name)`. Default: no name. */
  readonly name?: string;
  /** What is subscribed when the module is loaded, by `onEvents` and `onData`. Default: nothing. */
  readonly subscriptions?: readonly Subscription[];
  /** Runs around every handler but those of batches, the first outermost. Default: nothing. */
  readonly middleware?: readonly Middleware[];
}

/** What a module needs of the container it is for. */
export type HostContainer = Pick<Container, 'get' | 'getAsync' | 'isBound' | 'isCurrentBound'>;
