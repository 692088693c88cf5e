export { manualClock } from './testing/manual-clock.ts';
export type { ManualClock } from './testing/manual-clock.ts';
export { testBus } from './testing/test-bus.ts';
export type { TestBus, TestBusOptions } from './testing/test-bus.ts';
export type { DeliverOptions } from './testing/deliver.ts';
export type { PublishedDocument } from './testing/recorder.ts';
