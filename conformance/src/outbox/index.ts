export type { OutboxCase } from './outbox-case.ts';
export type { OpenTransaction, OutboxHarness, OutboxStage } from './stage.ts';
export { outboxCases, outboxSuite, type OutboxSuiteOptions, runOutboxCase } from './suite.ts';
