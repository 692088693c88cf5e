export { connect } from './connect.ts';
export type { Broker, ConnectTarget } from './connect.ts';
export { registerAdapter } from './adapters.ts';
export type { AdapterConfig, AdapterFactory, AdapterModule } from './adapters.ts';
export type { Adapter, Bus, BusOptions, CloseOptions, PublishBufferOptions } from './bus.ts';
export type { Secret, TlsOptions } from './secret.ts';
export type {
  AlterOptions,
  EventBus,
  Depth,
  RemoveOptions,
  SubscribeEventsOptions,
  TopicInfo,
  Topics,
} from './event-bus.ts';
export type {
  DataBus,
  From,
  HistoryEntry,
  Lag,
  PartitionLag,
  Positions,
  ReadOptions,
  ResetMove,
  ResetOptions,
  ResetResult,
  SubscribeDataOptions,
  WaitOptions,
} from './data-bus.ts';

export { topic } from './topic.ts';
export type {
  AnyTopic,
  OutOf,
  Topic,
  TopicOptions,
  TopicTypeOptions,
  TypeMap,
  TypesOf,
} from './topic.ts';
export type { Retention } from './topic-record.ts';
export type {
  SchemaInput,
  SchemaIssue,
  SchemaOutput,
  SchemaResult,
  StandardSchema,
} from './standard-schema.ts';
export { bytes, json } from './codec.ts';
export type { Codec } from './codec.ts';
export type { Attributes } from './envelope.ts';
export type {
  DocumentToPublish,
  PublishOptions,
  PublishResult,
  Receipt,
} from './publish-options.ts';
export { comparePositions } from './position.ts';

export { batch, reject, retryAfter } from './delivery.ts';
export type {
  BatchHandler,
  BatchItem,
  BatchOptions,
  Cause,
  Delivery,
  Handler,
  HandlerSignal,
  Middleware,
  TypeHandlers,
} from './delivery.ts';
export type {
  BackoffOptions,
  ConsumeOptions,
  Handle,
  HandleState,
  HandleStats,
  Health,
} from './handle.ts';
export type { DeadLetter, DeadLetterFilter, DeadLetters, DeadReason } from './dead-letters.ts';
export { idempotent } from './idempotence.ts';
export type {
  BeginResult,
  IdempotenceStore,
  IdempotentOptions,
  TransactionalHandler,
} from './idempotence.ts';
export { memoryStore } from './memory-store.ts';
export type { MemoryStoreOptions } from './memory-store.ts';

export { BusError, errorCodes } from './errors.ts';
export type { BusErrorOptions, ErrorCode, PublishFailure } from './errors.ts';
export type { Durability, LogCapabilities, QueueCapabilities } from './capabilities.ts';
export type { Instrument, PublishSpan, RuntimeEvent } from './instrument.ts';
export type { Clock } from './internal/clock.ts';
