// npm test: every test of the repository, against real brokers, which are started where none is given.
import { readdirSync } from 'node:fs';
import { adapterNames, down, up, urlVariables } from '../packages/brokers/src/index.ts';
import { countLine } from './reporter.mjs';
import { find, runTests, wasInterrupted } from './run-tests.mjs';

const adapters = readdirSync('adapters').toSorted();
const narrowing = process.env.DUOBUS_TEST_ADAPTERS || undefined;
const wanted = narrowing?.split(',').map((name) => name.trim()) ?? adapters;

function testFiles() {
  return find([
    'packages/*/test/**/*.test.ts',
    ...wanted.map((name) => `adapters/${name}/test/**/*.test.ts`),
    '{conformance,docs,examples,benchmarks}/test/**/*.test.ts',
  ]);
}

/** Without a user and a password; a list of hosts is no URL in the eyes of the class of that name. */
const hostsOf = (url) => url.replace(/^[^:]*:\/\/(?:[^@]*@)?|[/?].*$/g, '');

/** Those that are wanted by an adapter that is there. */
async function bringUp() {
  const names = Object.keys(adapterNames).filter((kind) => wanted.includes(adapterNames[kind]));
  const outcomes = await Promise.allSettled(names.map((name) => up(name)));
  const brokers = outcomes.flatMap((outcome) =>
    outcome.status === 'fulfilled' ? [outcome.value] : [],
  );
  const errors = outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [outcome.reason] : [],
  );
  return { brokers, errors };
}

async function main() {
  const unknown = wanted.filter((name) => !adapters.includes(name));
  if (unknown.length > 0) {
    console.error(
      `DUOBUS_TEST_ADAPTERS names no adapter: ${unknown.join(', ')} (there are ${adapters.join(', ')})`,
    );
    return { passed: 0, failed: 1, skipped: 0, ok: false };
  }
  const { brokers, errors } = await bringUp();
  try {
    if (errors.length > 0) {
      for (const error of errors) console.error(error.message);
      return { passed: 0, failed: errors.length, skipped: 0, ok: false };
    }
    for (const { name, version, url } of brokers) {
      console.error(`${name} ${version} at ${hostsOf(url)}`);
    }
    const env = Object.fromEntries(brokers.map(({ kind, url }) => [urlVariables[kind], url]));
    return await runTests(testFiles(), env);
  } finally {
    const ours = brokers.filter(({ started }) => started).map(({ name }) => name);
    if (ours.length > 0) await down(ours);
  }
}

const counts = await main();
const left = adapters.filter((name) => !wanted.includes(name));
if (wasInterrupted()) console.log('interrupted');
if (narrowing !== undefined) {
  console.log(
    `narrowed by DUOBUS_TEST_ADAPTERS=${narrowing}: not tested: ${left.join(', ') || 'nothing'}`,
  );
}
console.log(countLine(counts));
process.exitCode = counts.ok ? 0 : 1;
