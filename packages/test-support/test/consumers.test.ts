import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Consumers } from '../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'duobus-'));
after(() => rmSync(folder, { recursive: true }));

function consumers(program: string): Consumers<number> {
  const file = join(folder, `${Math.random()}.mjs`);
  writeFileSync(file, program);
  return new Consumers<number>(pathToFileURL(file));
}

/** Says one after the other, and that it was killed if it was not. */
const counting = `
for (let n = 0; n < Number(process.argv[2]); n += 1)
  await new Promise((sent) => process.send(n, sent));
process.send('drained');
`;

describe('consumers that are killed', () => {
  it('are counted to their end', async () => {
    assert.equal(await consumers(counting).consumeAll(5), 5);
  });

  it('die after so many, and are not taken for broken', async () => {
    const handled = await consumers(`${counting} setInterval(() => undefined, 1000);`);
    assert.ok((await handled.consumeAndDie(5, 2)) >= 2);
  });

  it('are followed by the last, whose documents are counted', async () => {
    const handled = await consumers(counting).consumeThroughDeaths({
      rounds: 2,
      most: 3,
      dying: () => [5],
      last: [5, 7],
    });
    assert.equal(handled, 12);
  });

  it('that end with an error are told of', async () => {
    await assert.rejects(consumers('process.exit(3)').consumeAll(1), /ended with 3/);
  });
});
