import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAdapter, memory, type MemoryOptions } from '../src/index.ts';

/** Every option written wrong, and a value of a wrong type: what the environment gives, where that can be taken for right. */
const slips: Readonly<
  Record<keyof Required<MemoryOptions>, readonly [misspelt: string, wrong: unknown]>
> = {
  queueLeaseMs: ['queueLease', '1000'],
  groupLeaseMs: ['groupLease', '1000'],
  maxDocumentBytes: ['maxDocumentByte', '1000'],
  maxBytes: ['maxByte', '1000'],
  clock: ['clocks', {}],
  name: ['nmae', 7],
};

describe('every option', () => {
  const refused = (options: object, says: RegExp): void =>
    assert.throws(() => memory(options), { name: 'TypeError', message: says });

  for (const [option, [misspelt, wrong]] of Object.entries(slips))
    it(`${option} is not ${misspelt}, and not any value will do`, () => {
      refused({ [misspelt]: undefined }, new RegExp(`^memory: .*'${misspelt}'.*'${option}'`));
      refused({ [option]: wrong }, new RegExp(`^memory: .*${option}`));
    });

  it('is known by its name in objects within, and in the URL', () => {
    assert.throws(
      () => createAdapter({ url: 'memory://a?maxbytes=5' }),
      /'maxbytes'. Give it as the option 'maxBytes'/,
    );
    assert.throws(() => createAdapter({ url: 'memory://a#b' }), TypeError);
    const { queue } = createAdapter({ url: 'memory://a', options: { name: 'options-win' } });
    assert.equal(queue?.native.name, 'options-win');
  });
});
