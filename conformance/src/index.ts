export { cases } from './cases/index.ts';
export type { Case } from './case.ts';
export type { Harness, ProcessesHarness } from './harness.ts';
export { overUrl } from './over-url.ts';
export { type CaseResult, type Report, table } from './report.ts';
export { type Rule, rules } from './rules.ts';
export { run, type RunOptions } from './run.ts';
export { inProcess } from './severable.ts';
export { suite, type SuiteOptions, type TestFunction } from './suite.ts';
