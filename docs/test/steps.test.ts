import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { cases, type Harness, inProcess, run } from '@duobus/conformance';
import { memory, MemoryBroker } from '@duobus/memory';
import { myAdapter } from '../snippets/my-adapter/index.ts';
import { steps } from '../steps.ts';
import type { Green } from '../steps-table.ts';
import { readPage, root } from '../pages.ts';
import { staged } from './support/staged.ts';

const file = join(root, 'docs/results/steps/cases.json');

const read = (): Green => JSON.parse(readFileSync(file, 'utf8')) as Green;

/** Memory, as far as it would be written after so many steps. */
function after(count: number, slow: number): Harness {
  const broker = new MemoryBroker('steps');
  const restart = async (): Promise<void> => broker.restart();
  return {
    name: `after ${count} steps`,
    ...inProcess(() => staged(memory(broker), count)),
    faults: { restart, kill9: restart },
    slow,
  };
}

/** What is not written is waited for in vain: briefly. */
const inVain = 0.05;

async function passing(
  harness: Harness,
  only: readonly string[],
  concurrency = 8,
): Promise<readonly string[]> {
  const { cases: results } = await run(harness, { only, concurrency });
  return results.filter(({ verdict }) => verdict === 'pass').map(({ name }) => name);
}

async function found(): Promise<Green> {
  const green: (readonly string[])[] = [];
  let open = cases.map(({ name }) => name);
  for (let count = 1; count <= steps.length; count += 1) {
    const passed = await passing(after(count, 1), open, 40);
    green.push(passed);
    open = open.filter((name) => !passed.includes(name));
  }
  return green;
}

describe('the template of an adapter', () => {
  it('passes nothing, and says what it missed as the page shows it', async () => {
    const harness = { name: 'my', ...inProcess(() => myAdapter({ url: 'my:' })) };
    const { cases: results } = await run({ ...harness, slow: inVain });
    const passed = results.filter(({ verdict }) => verdict === 'pass');
    assert.deepEqual(passed, []);
    const [{ name, error = '' } = { name: '' }] = results;
    const said = `FAIL ${name}\n${error.split('\n').slice(0, 2).join('\n')}\n`;
    const page = readPage('docs/how-to/write-an-adapter.md');
    assert.ok(page.includes(said), `docs/how-to/write-an-adapter.md shows something else: ${said}`);
  });
});

describe('the steps to an adapter', () => {
  before(async () => {
    if (process.env['UPDATE'] === '1')
      writeFileSync(file, `${JSON.stringify(await found(), undefined, 2)}\n`);
  });

  it('turn every case green, each with one of them: if there are others, UPDATE=1', () => {
    assert.deepEqual(read().flat().toSorted(), cases.map(({ name }) => name).toSorted());
  });

  for (const [index, { title }] of steps.entries()) {
    it(`${title}: its cases pass from here on, and not before`, async () => {
      const names = read()[index] ?? [];
      assert.deepEqual(await passing(after(index + 1, 1), names), names);
      assert.deepEqual(await passing(after(index, inVain), names), []);
    });
  }
});
