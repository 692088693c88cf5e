import type { Bus, ConnectTarget, DataBus, EventBus, Handle } from '@duobus/core';
import type { ServiceIdentifier } from 'inversify';

/** What the bus is made of: what `connect` takes, or a bus that is there already, such as one of `testBus`. */
export type BusTarget = ConnectTarget | Bus;

/** The identifiers of one bus in a container. */
export interface BusIds {
  /** What to connect to. You bind it, before the module is loaded. */
  readonly target: ServiceIdentifier<BusTarget | undefined>;
  readonly bus: ServiceIdentifier<Bus>;
  readonly events: ServiceIdentifier<EventBus>;
  readonly data: ServiceIdentifier<DataBus>;
  /** The running subscriptions, in the order of the module's `subscriptions`. */
  readonly handles: ServiceIdentifier<readonly Handle[]>;
}

/** The identifiers of a bus with a name of its own, where a container has several.
 *  @example const { target, events } = busIds('reports') */
export function busIds(name?: string): BusIds {
  if (name !== undefined && (typeof name !== 'string' || name === ''))
    throw new TypeError('busIds: name must be a string that is not empty');
  return {
    target: symbolOf('target', name),
    bus: symbolOf('bus', name),
    events: symbolOf('events', name),
    data: symbolOf('data', name),
    handles: symbolOf('handles', name),
  };
}

/** Registered: two copies of this package agree about them. */
export function symbolOf(what: string, name: string | undefined): symbol {
  return Symbol.for(name === undefined ? `duobus.${what}` : `duobus.${what}.${name}`);
}

const ids = busIds();

/** What to connect to. You bind it, before the module is loaded.
 *  @example container.bind(busTargetId).toConstantValue(process.env.BUS_URL) */
export const busTargetId: ServiceIdentifier<BusTarget | undefined> = ids.target;
export const busId: ServiceIdentifier<Bus> = ids.bus;
export const eventBusId: ServiceIdentifier<EventBus> = ids.events;
export const dataBusId: ServiceIdentifier<DataBus> = ids.data;
/** The running subscriptions, in the order of the module's `subscriptions`. */
export const handlesId: ServiceIdentifier<readonly Handle[]> = ids.handles;
