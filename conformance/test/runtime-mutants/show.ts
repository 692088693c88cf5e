import { cases, run } from '../../src/index.ts';
import { memoryHarness } from '../support/memory.ts';

const [name = '', slow = '1'] = process.argv.slice(2);
if (!cases.some((known) => known.name === name)) {
  process.stderr.write(`there is no case '${name}'\n`);
  process.exit(2);
}
const report = await run({ ...memoryHarness(), slow: Number(slow) }, { only: [name], seed: 1 });
const [result] = report.cases;
if (result?.verdict !== 'pass') process.stderr.write(`${result?.error}\n`);
// What is broken may have left something running.
process.exit(result?.verdict === 'pass' ? 0 : 1);
