import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mostOps } from '../src/history.ts';
import { run } from '../src/index.ts';
import { mutants } from '../src/mutants/index.ts';
import { memoryHarness } from './support/memory.ts';

describe('an adapter that hands out without end', () => {
  it('is found before its history is too long to be judged', async () => {
    const endless = mutants.find(({ name }) => name === 'settle-as-back@event.done');
    assert.ok(endless);
    const { cases } = await run(memoryHarness(endless.begin()), { only: [endless.killedBy] });
    const [result] = cases;
    assert.equal(result?.verdict, 'fail');
    const { failure } = result;
    assert.match(failure?.seen ?? '', /handed out again and again/);
    assert.match(failure?.causes ?? '', /comes at once and for ever/);
    // what is published and looked at meanwhile is recorded all the same
    assert.ok((failure?.recorded ?? 0) < mostOps + 1_000, String(failure?.recorded));
  });
});
