import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cases, rules } from '../src/index.ts';
import { shownTo } from './runtime-mutants/kill.ts';
import { runtimeMutants } from './runtime-mutants/rules.ts';

const cache = mkdtempSync(join(tmpdir(), 'duobus-runtime-mutants-'));
after(() => rmSync(cache, { recursive: true }));

/** Rules that the brokers keep, not the runtime: the mutants of drivers are about them. */
const ofBrokers = ['E1', 'E2', 'E3', 'E4', 'E7', 'E8', 'E10', 'D1', 'D2', 'D6'];

// Each is a process of its own, most of whose time is waiting.
describe('runtime mutants', { concurrency: 4 }, () => {
  it('switch off every rule that the runtime keeps', () => {
    const known = new Set<string>(runtimeMutants.map(({ rule }) => rule));
    assert.deepEqual(
      rules.filter((rule) => !known.has(rule)),
      ofBrokers,
    );
    const says = runtimeMutants.map((mutant) => mutant.says);
    assert.equal(new Set(says).size, says.length);
  });

  it('name a case, or a test, that exists', () => {
    for (const { killedBy } of runtimeMutants) {
      const [file = '', test] = killedBy.split(': ');
      const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
      assert.ok(
        test === undefined
          ? cases.some(({ name }) => name === killedBy)
          : existsSync(path) && readFileSync(path, 'utf8').includes(test),
        killedBy,
      );
    }
  });

  for (const mutant of runtimeMutants) {
    it(`${mutant.rule}: ${mutant.says} is killed by ${mutant.killedBy}`, async () => {
      const { code, out } = await shownTo(mutant, cache);
      assert.equal(code, 1, code === 0 ? 'it survives' : out);
    });
  }
});
