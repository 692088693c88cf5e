import type { Bus, Handle } from '@duobus/core';
import type { Belt } from './shipping.ts';

/** What the first scene starts and later scenes stop, restart or mend. */
export interface Services {
  readonly billingBus: Bus;
  readonly billing: Handle;
  readonly shippingBus: Bus;
  readonly shipping: Handle;
  readonly belt: Belt;
}
