export { memoryOutbox, MemoryTransaction } from './memory-store.ts';
export type { MemoryOutbox, MemoryOutboxOptions } from './memory-store.ts';
export { createOutbox, createSyncOutbox, outboxOptionNames } from './outbox.ts';
export type {
  FailedDocument,
  Outbox,
  OutboxOptions,
  OutboxPublishOptions,
  SyncOutbox,
  SyncOutboxStore,
} from './outbox.ts';
export { startRelay } from './relay.ts';
export type { Relay, RelayHealth } from './relay.ts';
export type { RelayEvent, RelayOptions, RelayState } from './relay-options.ts';
export type {
  BusName,
  FailedRow,
  NewRow,
  OutboxBatch,
  OutboxLag,
  OutboxRow,
  OutboxStore,
  ReadRequest,
  SetAsideReason,
  Wake,
} from './store.ts';
