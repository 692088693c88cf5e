import type { CaseResult, Report } from './report.ts';

/** The report as CI servers read it. What is not declared is `skipped`, with what it means. */
export function junit({ adapter, versions, seed, cases }: Report): string {
  const count = (verdict: CaseResult['verdict']): number =>
    cases.filter((result) => result.verdict === verdict).length;
  const counts = attributes({
    tests: cases.length,
    failures: count('fail'),
    errors: 0,
    skipped: count('unsupported'),
    time: seconds(cases.reduce((sum, { ms }) => sum + ms, 0)),
  });
  const properties = Object.entries({ seed, ...versions }).map(
    ([name, value]) => `      <property ${attributes({ name, value })}/>`,
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${attributes({ name: 'duobus-conformance' })} ${counts}>`,
    `  <testsuite ${attributes({ name: adapter })} ${counts}>`,
    '    <properties>',
    ...properties,
    '    </properties>',
    ...cases.map((result) => testcase(adapter, result)),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function testcase(
  adapter: string,
  { name, contract, verdict, ms, error, failure }: CaseResult,
): string {
  const head = `    <testcase ${attributes({
    classname: `duobus.${adapter}`,
    name: `${name} [${contract.join(' ')}]`,
    time: seconds(ms),
  })}`;
  if (verdict === 'pass') return `${head}/>`;
  const inside =
    verdict === 'unsupported'
      ? `<skipped ${attributes({ message: 'not declared, and refused with DUOBUS_NOT_SUPPORTED' })}/>`
      : `<failure ${attributes({ message: failure?.seen ?? 'failed' })}>${escaped(error ?? '')}</failure>`;
  return `${head}>${inside}</testcase>`;
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(3);

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}="${escaped(String(value)).replaceAll('\n', '&#10;')}"`)
    .join(' ');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  // as they are a parser makes other white space of them
  '\r': '&#13;',
  '\t': '&#9;',
};

/** What XML 1.0 cannot hold in any form, as documents of the suite do hold it. */
// oxlint-disable-next-line no-control-regex -- they are what has to go
const forbidden = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu;

const inWords = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

function escaped(text: string): string {
  return text
    .replaceAll(forbidden, inWords)
    .replaceAll(/[&<>"\r\t]/g, (character) => entities[character] ?? character);
}
