import {
  type Case,
  type CaseResult,
  headingOf,
  passedOf,
  type Report,
  type Rule,
} from '@duobus/conformance';

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
    `| | ${reports.map(headingOf).join(' | ')} |`,
    `|---|${'---|'.repeat(reports.length)}`,
    ...used.map(
      ([what, rules]) =>
        `| ${what} | ${reports.map((report) => passedOf(casesOf(report, rules))).join(' | ')} |`,
    ),
    `| **All cases** | ${reports.map(({ cases }) => `**${passedOf(cases)}**`).join(' | ')} |`,
  ].join('\n');
}

/** A line for each case: what users may rely on. */
export function promisesTable(cases: readonly Pick<Case, 'name' | 'promises'>[]): string {
  const lines = cases.map(({ name, promises }) => `| \`${name}\` | ${promises} |`);
  return ['| Case | Promise |', '|---|---|', ...lines].join('\n');
}

/** A case belongs to the line of the first rule it names. */
function casesOf({ cases }: Report, rules: readonly Rule[]): readonly CaseResult[] {
  return cases.filter(({ contract: [first] }) => first !== undefined && rules.includes(first));
}
