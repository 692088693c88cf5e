import type { LogCapabilities, QueueCapabilities } from '@duobus/core';
import type { Failure } from './failure.ts';
import type { Staleness } from './latency.ts';
import type { Rule } from './rules.ts';

export interface CaseResult {
  readonly name: string;
  /** The rules of the contract that it is about. */
  readonly contract: readonly Rule[];
  /** `unsupported`: the adapter does not declare it, and says so with DUOBUS_NOT_SUPPORTED. Never a pass. */
  readonly verdict: 'pass' | 'fail' | 'unsupported';
  readonly ms: number;
  readonly seed: number;
  /** Why it failed, as text, with how to run it again. */
  readonly error?: string;
  /** The same in parts. */
  readonly failure?: Failure;
  /** What it has measured. Figures never decide a verdict. */
  readonly staleness?: Staleness;
  /** How consumers that had to die were run. */
  readonly consumers?: 'processes' | 'in-process';
}

export interface Report {
  readonly adapter: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly capabilities: { readonly event?: QueueCapabilities; readonly data?: LogCapabilities };
  readonly seed: number;
  /** How long from publish to handled. Reports of before it was measured lack it. */
  readonly staleness?: Staleness;
  readonly cases: readonly CaseResult[];
}

/** One line per case, what was measured, and a count. */
export function table(report: Report): string {
  const width = Math.max(...report.cases.map(({ name }) => name.length), 4);
  const contracts = Math.max(...report.cases.map(({ contract }) => contract.join(' ').length), 8);
  const lines = report.cases.map((result) => row(result, width, contracts));
  const count = (verdict: CaseResult['verdict']): number =>
    report.cases.filter((result) => result.verdict === verdict).length;
  return [
    `${'contract'.padEnd(contracts)}  ${'case'.padEnd(width)}  verdict      time`,
    ...lines,
    '',
    ...stalenessLines(report.staleness ?? {}),
    `${report.adapter}: ${count('pass')} passed, ${count('fail')} failed, ${count('unsupported')} unsupported (seed ${report.seed})`,
  ].join('\n');
}

function stalenessLines(staleness: Staleness): readonly string[] {
  const lines = Object.entries(staleness).map(
    ([kind, { count, p50, p99, max }]) =>
      `${kind} bus, from publish to handled: p50 ${p50} ms, p99 ${p99} ms, max ${max} ms (${count} documents)`,
  );
  return lines.length === 0 ? [] : [...lines, ''];
}

function row(
  { name, contract, verdict, ms, consumers }: CaseResult,
  width: number,
  contracts: number,
): string {
  const how = consumers === undefined ? '' : `  ${consumers}`;
  return `${contract.join(' ').padEnd(contracts)}  ${name.padEnd(width)}  ${verdict.padEnd(11)}  ${`${ms} ms`.padStart(8)}${how}`;
}
