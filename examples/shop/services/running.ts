import type { Bus, Handle } from '@duobus/core';

/** What the first scene starts and later scenes stop, restart or mend. */
export interface Services {
  readonly billingBus: Bus;
  readonly billing: Handle;
  readonly shippingBus: Bus;
}
