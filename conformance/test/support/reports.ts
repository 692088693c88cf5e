import type { CaseResult, Report } from '../../src/index.ts';

export function result(
  name: string,
  contract: CaseResult['contract'],
  verdict: CaseResult['verdict'],
  more: Partial<CaseResult> = {},
): CaseResult {
  return { name, contract, verdict, ms: 1_250, seed: 7, ...more };
}

export function report(cases: readonly CaseResult[], more: Partial<Report> = {}): Report {
  return { adapter: 'nats', versions: {}, capabilities: {}, seed: 7, cases, ...more };
}
