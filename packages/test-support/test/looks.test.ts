import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Looks } from '../src/index.ts';

describe('looks', () => {
  it('go on until it holds, and not a look longer', async () => {
    const looks = new Looks();
    let [happened, looked, over] = [0, 0, false];
    const waiting = looks
      .until(() => {
        looked += 1;
        return happened === 2;
      })
      .then(() => (over = true));
    for (; happened < 2; happened += 1) {
      looks.look();
      await turn();
      assert.equal(over, false);
    }
    looks.look();
    await waiting;
    looks.look();
    assert.equal(looked, 4);
  });
});
