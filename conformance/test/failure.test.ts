import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cases, run } from '../src/index.ts';
import { mutants } from '../src/mutants/index.ts';
import { memoryHarness } from './support/memory.ts';

/** What is said of the case that finds this broken adapter. */
async function saidOf(mutant: string): Promise<string> {
  const found = mutants.find(({ name }) => name === mutant);
  assert.ok(found, `there is no mutant ${mutant}`);
  const harness = { ...memoryHarness(found.begin()), slow: 0.1 };
  const { cases: results } = await run(harness, { only: [found.killedBy], seed: 1 });
  const [{ error = '' } = {}] = results;
  return error;
}

/** The lines of the history that is shown, without names and places, which differ from run to run. */
function shown(text: string): readonly string[] {
  const lines = text.split('\n').filter((line) => /^ {2}\d+-/.test(line));
  return lines.map((line) =>
    line
      .trim()
      .replace(/^[\d-]+ /, '')
      .replaceAll(/ \w+:dc-\w+-\d+-\d+(\/| (?=n=))/g, ' ')
      .replaceAll(/ (v1\.\S+|epoch=0|key=-|attempt=1)/g, '')
      .trim(),
  );
}

describe('what is said of a failing case', { concurrency: 2 }, () => {
  it('is what was promised, what was seen, what shows it, and what usually causes it', async () => {
    const text = await saidOf('lose-nth@event.publish');
    assert.match(text, /^Promised: Every subscription that exists when a document is published/);
    assert.match(
      text,
      /^Seen: expected what subscription billing handled to be documents 1-30, got them without 3, 6, 9, 12, 15, 18, 21, 24, 27, 30$/m,
    );
    assert.match(text, /^Usual cause: `publish` uses a list of subscriptions that is older/m);
    assert.match(text, /^Run it again: --case fan-out --seed 1$/m);
    assert.deepEqual(shown(text), [
      'here subscribe ok billing',
      'here subscribe ok mail',
      'here subscribe ok search',
      'here publish ok n=3',
      'here publish ok n=6',
    ]);
  });

  it('shows of a broken rule what breaks it, and its own causes', async () => {
    const text = await saidOf('repeat-nth@event.publish');
    assert.match(text, /^Seen: causedDuplicates: .*\/billing: document 3 was delivered 2 times/m);
    assert.match(text, /^and \d+ more$/m);
    assert.match(text, /^Usual cause: A record is stored or handed out twice/m);
    assert.deepEqual(shown(text), [
      'here publish ok n=3',
      'here deliver ok billing n=3 cause=first',
      'here deliver ok billing n=3 cause=first',
    ]);
  });

  it('shows of two documents in the wrong order these two alone', async () => {
    const text = await saidOf('swap-neighbours@data.publish');
    assert.match(text, /^Seen: keyOrder: .*: document 11 of key k1 was handled before document 9/m);
    assert.deepEqual(shown(text), [
      'here publish ok n=9 key=k1',
      'here publish ok n=11 key=k1',
      'here deliver ok work n=11 key=k1 cause=first',
      'here deliver fail work n=9 key=k1 cause=first',
    ]);
  });

  it('finds the reason where a case has waited in vain', async () => {
    const text = await saidOf('seek-one-after@data.reset');
    assert.match(text, /^Seen: waited \d+ ms in vain until a running group reads all again/m);
    assert.match(text, /^and: resetExact: after the reset to .* the first delivery is /m);
    assert.ok(shown(text).length <= 4, text);
    assert.ok(shown(text).includes('here reset ok work'), text);
  });

  it('tells of long lists what is different', async () => {
    const text = await saidOf('settle-one-of-a-call@event.dead');
    assert.match(text, /to be 60, got \d+: without "broken \d+", .*\.\.\., with none too many/);
  });
});

describe('cases', () => {
  it('say what they promise and what breaks it, in a sentence or two each', () => {
    for (const { name, promises, causes } of cases) {
      for (const text of [promises, causes]) {
        assert.match(text, /^[`A-Z'].+[.]$/, name);
        assert.ok(text.length <= 200, `${name}: ${text.length} characters`);
      }
    }
  });
});
