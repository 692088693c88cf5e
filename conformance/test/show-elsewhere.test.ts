import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { mutants } from '../src/mutants/index.ts';
import type { Show } from '../src/mutants/kill.ts';
import { showElsewhere } from '../src/mutants/show-elsewhere.ts';

const adapter = fileURLToPath(new URL('./support/own-adapter.ts', import.meta.url));
const mutant = mutants.find(({ name }) => name === 'lose-nth@event.publish');
const show = (host: string, slow: number, tell?: (error: string) => void): Show =>
  showElsewhere({ adapter, url: `own://${host}`, slow, seed: 1 }, tell);

describe('a process for each mutant', () => {
  it('tells what the cases come to, with the fault and without', async () => {
    const names = ['fan-out', 'read'];
    assert.deepEqual(await show('whole', 0.5)(mutant, names), {
      'fan-out': 'killed',
      read: 'survived',
    });
    assert.deepEqual(await show('whole', 0.5)(undefined, names), {
      'fan-out': 'survived',
      read: 'survived',
    });
  });

  it('tells why a case fails without a fault', async () => {
    const errors: string[] = [];
    const fates = await show('fails', 0.5, (error) => errors.push(error))(undefined, ['fan-out']);
    assert.deepEqual(fates, { 'fan-out': 'killed' });
    assert.match(errors.join(), /^Promised: [^]*Run it again: --case fan-out --seed 1$/);
  });

  it('is ended when it goes round and round', async () => {
    assert.deepEqual(await show('spins', 0.02)(mutant, ['fan-out']), { 'fan-out': 'late' });
  });

  it('is told of when it dies', async () => {
    await assert.rejects(
      show('dies', 0.5)(mutant, ['fan-out']),
      /the process that showed lose-nth@event.publish ended with 7/,
    );
  });
});
