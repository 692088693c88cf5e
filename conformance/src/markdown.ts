import type { CaseResult, Report } from './report.ts';
import { rules } from './rules.ts';

/** The report as a page: which rules hold by which cases, what was measured, and why what failed did. */
export function markdown(report: Report): string {
  const { adapter, versions, seed, cases } = report;
  const known = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${[
    `# ${adapter}: conformance`,
    `${passedOf(cases)} cases passed (seed ${seed}${known.map((one) => `, ${one}`).join('')}).`,
    '## By rule',
    rulesTable(report),
    '## By case',
    casesTable([report]),
    '## From publish to handled',
    stalenessTable([report]),
    ...failures(cases),
  ].join('\n\n')}\n`;
}

/** A line for each rule of the contract, with the cases that are about it. */
export function rulesTable({ cases }: Report): string {
  const about = rules
    .map((rule) => ({ rule, its: cases.filter(({ contract }) => contract.includes(rule)) }))
    .filter(({ its }) => its.length > 0);
  return table(
    ['Rule', 'Passed', 'Cases'],
    about.map(({ rule, its }) => [
      rule,
      passedOf(its),
      its
        .map(({ name, verdict }) => `\`${name}\`${verdict === 'pass' ? '' : ` **${verdict}**`}`)
        .join(', '),
    ]),
  );
}

/** A line for each case of the suite, and a column for each adapter. */
export function casesTable(reports: readonly Report[]): string {
  const all = new Map(reports.flatMap(({ cases }) => cases.map((one) => [one.name, one])));
  return table(
    ['Case', 'Rules', ...reports.map(headingOf)],
    [...all.values()].map(({ name, contract }) => [
      `\`${name}\``,
      contract.join(' '),
      ...reports.map(
        ({ cases }) => cases.find((result) => result.name === name)?.verdict ?? 'not run',
      ),
    ]),
  );
}

/** A line for each bus of each adapter that was measured. */
export function stalenessTable(reports: readonly Report[]): string {
  return table(
    ['Adapter', 'Bus', 'p50, ms', 'p99, ms', 'max, ms', 'documents'],
    reports.flatMap((report) =>
      Object.entries(report.staleness ?? {}).map(([kind, { p50, p99, max, count }]) =>
        [headingOf(report), kind, p50, p99, max, count].map(String),
      ),
    ),
  );
}

export function headingOf({ adapter, versions }: Report): string {
  const broker = versions['broker'];
  return broker === undefined ? adapter : `${adapter} ${broker}`;
}

/** What is not declared counts neither way. */
export function passedOf(cases: readonly CaseResult[]): string {
  if (cases.length === 0) return '-';
  const supported = cases.filter(({ verdict }) => verdict !== 'unsupported');
  if (supported.length === 0) return 'not supported';
  const passed = supported.filter(({ verdict }) => verdict === 'pass').length;
  return `${passed} of ${supported.length}`;
}

function failures(cases: readonly CaseResult[]): readonly string[] {
  const failed = cases.filter(({ verdict }) => verdict === 'fail');
  if (failed.length === 0) return [];
  return [
    '## What failed',
    ...failed.flatMap(({ name, error = '' }) => [
      `### ${name}`,
      // a fence longer than any that may be in it
      `\`\`\`\`\`text\n${error}\n\`\`\`\`\``,
    ]),
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}
