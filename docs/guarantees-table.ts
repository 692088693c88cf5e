import type { CaseResult, Report, Rule } from '@duobus/conformance';

/** What a user wants to know, and the rules of the contract behind it. Every rule is in one line. */
export const guarantees: readonly (readonly [what: string, rules: readonly Rule[]])[] = [
  ['Fan-out: every subscription gets every document; its consumers compete', ['E1', 'E2']],
  ['No history, and durable while nobody consumes', ['E3', 'E4', 'E11']],
  ['Deletion on read: the broker holds nothing when all have settled', ['E5']],
  ['Retry, dead letter exactly once, redrive', ['C4', 'D10', 'E6']],
  ['Publish tells the truth, also when the broker is killed', ['C2', 'E7']],
  ['A killed consumer loses nothing; crash loops end', ['C3', 'E8']],
  ['No repetition without a cause', ['E12']],
  ['Order by key, whatever the concurrency', ['C12', 'D9', 'E10']],
  ['Isolation: nobody moves or delays another', ['D6', 'E9']],
  ['Own pointer per group: start, commit, positions', ['D2', 'D3', 'D4', 'D12']],
  ['Offset reset, running or not', ['D5']],
  ['Replay idempotence: the same sequence again', ['D7']],
  ['Retention, lost positions, reading history', ['D1', 'D8', 'D13']],
  ['Lag, and waiting for a receipt', ['D11']],
  ['Brake, handler time, batches, health', ['C5', 'C6', 'C7', 'C8']],
  ['Topic records, schemas, sizes, clean close', ['C1', 'C9', 'C10', 'C11']],
];

/** A line for each guarantee and a column for each adapter: cases passed of cases run. */
export function guaranteesTable(reports: readonly Report[]): string {
  const used = guarantees.filter(([, rules]) =>
    reports.some((report) => casesOf(report, rules).length > 0),
  );
  return [
    `| | ${reports.map(heading).join(' | ')} |`,
    `|---|${'---|'.repeat(reports.length)}`,
    ...used.map(
      ([what, rules]) =>
        `| ${what} | ${reports.map((report) => cell(casesOf(report, rules))).join(' | ')} |`,
    ),
    `| **All cases** | ${reports.map(({ cases }) => `**${cell(cases)}**`).join(' | ')} |`,
  ].join('\n');
}

/** A line for each case of the suite. */
export function casesTable(reports: readonly Report[]): string {
  const names = [...new Set(reports.flatMap(({ cases }) => cases.map(({ name }) => name)))];
  const rules = (name: string): string =>
    reports
      .flatMap(({ cases }) => cases.filter((result) => result.name === name))[0]
      ?.contract.join(' ') ?? '';
  const verdict = ({ cases }: Report, name: string): string =>
    cases.find((result) => result.name === name)?.verdict ?? 'not run';
  return [
    `| Case | Rules | ${reports.map(heading).join(' | ')} |`,
    `|---|---|${'---|'.repeat(reports.length)}`,
    ...names.map(
      (name) =>
        `| \`${name}\` | ${rules(name)} | ${reports.map((report) => verdict(report, name)).join(' | ')} |`,
    ),
  ].join('\n');
}

function heading({ adapter, versions }: Report): string {
  const broker = versions['broker'];
  return broker === undefined ? adapter : `${adapter} ${broker}`;
}

/** A case belongs to the line of the first rule it names. */
function casesOf({ cases }: Report, rules: readonly Rule[]): readonly CaseResult[] {
  return cases.filter(({ contract: [first] }) => first !== undefined && rules.includes(first));
}

function cell(cases: readonly CaseResult[]): string {
  if (cases.length === 0) return '-';
  const supported = cases.filter(({ verdict }) => verdict !== 'unsupported');
  if (supported.length === 0) return 'not supported';
  const passed = supported.filter(({ verdict }) => verdict === 'pass').length;
  return `${passed} of ${supported.length}`;
}
