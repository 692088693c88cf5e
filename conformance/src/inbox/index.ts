export type { InboxCase } from './case.ts';
export { inboxCases } from './cases/index.ts';
export type {
  Effects,
  InboxHarness,
  InboxModule,
  InboxProcesses,
  OpenStore,
} from './harness.ts';
export { casesFor, inboxSuite, type InboxSuiteOptions, runInboxCase } from './suite.ts';
