export { busModule } from './bus-module.ts';
export type { BusModuleOptions, HostContainer } from './options.ts';
export {
  busId,
  busIds,
  busTargetId,
  dataBusId,
  eventBusId,
  handlesId,
} from './identifiers.ts';
export type { BusIds, BusTarget } from './identifiers.ts';
export { inBatches, onData, onEvents } from './subscription.ts';
export type {
  Batched,
  DocumentBatchHandler,
  DocumentHandler,
  HandlerIds,
  Subscription,
  TypeHandlerIds,
} from './subscription.ts';
