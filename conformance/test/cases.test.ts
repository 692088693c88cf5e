import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cases, rules } from '../src/index.ts';

describe('cases', () => {
  it('cover every rule of the contract, at most three each', () => {
    const covered = new Set(cases.flatMap((one) => one.rules));
    assert.deepEqual(
      rules.filter((rule) => !covered.has(rule)),
      [],
    );
    for (const { name, rules: own } of cases) assert.ok(own.length >= 1 && own.length <= 3, name);
  });

  it('have stable names, of which four are the mission’s', () => {
    assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length);
    for (const { name } of cases) assert.match(name, /^[a-z0-9]+([.-][a-z0-9]+)*$/);
    const names = cases.map(({ name }) => name);
    for (const name of ['fan-out', 'deletion-on-read', 'offset-reset', 'replay-idempotence'])
      assert.ok(names.includes(name), name);
  });
});
