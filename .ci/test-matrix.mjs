// npm run test:matrix [-- name ...]: the broker tests, random histories and broken adapters against every supported broker
// version in turn.
import { existsSync } from 'node:fs';
import {
  adapterNames,
  down,
  parseSpec,
  up,
  urlVariables,
  versionEnvironment,
} from '../packages/brokers/src/index.ts';
import { countLine } from './reporter.mjs';
import { find, runHistories, runMutants, runTests } from './run-tests.mjs';

const supported = [
  'rabbitmq@3.10',
  'rabbitmq@4.0',
  'rabbitmq@4.3',
  'rabbitmq-cluster',
  'kafka',
  'kafka-cluster',
  'redis@7.0',
  'redis@8.0',
  'valkey@8.1',
  'valkey@9.1',
  'redis-cluster',
  'sns-sqs',
];
/** Of these the conformance suite alone: the other tests are about one server. */
const suiteOnly = ['rabbitmq-cluster', 'kafka-cluster'];
const folderOf = (name) => `adapters/${adapterNames[parseSpec(name).kind]}`;
const all = supported.filter((name) => existsSync(folderOf(name)));
const given = process.argv.slice(2);
const histories = 200;
const rows = [];

for (const name of given.length > 0 ? given : all) {
  const since = performance.now();
  try {
    const { kind } = parseSpec(name);
    const files = find([
      ...(suiteOnly.includes(name) ? [] : [`${folderOf(name)}/test/**/*.broker.test.ts`]),
      `${folderOf(name)}/test/**/conformance*.test.ts`,
    ]);
    // the matrix names versions, so a broker from the environment cannot stand in for one
    delete process.env[urlVariables[kind]];
    const broker = await up(name);
    console.error(`\n== ${name} (${broker.version}), ${files.length} files`);
    try {
      // tests that start a broker of their own start the same version
      const env = { [urlVariables[kind]]: broker.url, ...versionEnvironment(name) };
      const tests = await runTests([...new Set(files)], env);
      const more = [
        await runHistories(adapterNames[kind], broker.url, histories),
        await runMutants(adapterNames[kind], broker.url),
      ];
      rows.push({
        name,
        version: broker.version,
        ...tests,
        passed: tests.passed + more.filter((ok) => ok).length,
        failed: tests.failed + more.filter((ok) => !ok).length,
        ok: tests.ok && more.every((ok) => ok),
        since,
      });
    } finally {
      if (broker.started) await down([name]);
    }
  } catch (error) {
    console.error(error.message);
    rows.push({ name, version: 'missing', passed: 0, failed: 1, skipped: 0, ok: false, since });
  }
  rows.at(-1).seconds = ((performance.now() - since) / 1000).toFixed(0);
}

console.log('');
for (const row of rows) {
  const { name, version, seconds, ok } = row;
  console.log(
    `${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(16)} ${version.padEnd(8)} ${seconds.padStart(4)} s  ${countLine(row)}`,
  );
}
const total = (key) => rows.reduce((sum, row) => sum + row[key], 0);
console.log(
  countLine({ passed: total('passed'), failed: total('failed'), skipped: total('skipped') }),
);
process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1;
