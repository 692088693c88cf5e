import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { documentedOptions, optionsTable } from '../options-table.ts';

const source = `
export interface Other { /** Not this. */ readonly no?: string }
export interface Options<In = unknown> {
  /** Who. */
  readonly source: string;
  /** How long, in ms:
   *  a | b. Default 5. */
  readonly waitMs?: number;
  /** Nested. */
  readonly backoff?: { readonly firstMs?: number };
}
`;

describe('documentedOptions', () => {
  it('reads names, texts and what is required', () => {
    assert.deepEqual(documentedOptions(source, 'Options'), [
      { name: 'source', required: true, text: 'Who.' },
      { name: 'waitMs', required: false, text: 'How long, in ms: a | b. Default 5.' },
      { name: 'backoff', required: false, text: 'Nested.' },
    ]);
  });

  it('refuses options that nobody has described', () => {
    const bare = 'export interface Bare {\n  readonly waitMs?: number;\n}\n';
    assert.throws(() => documentedOptions(bare, 'Bare'), /no JSDoc for waitMs/);
  });

  it('refuses an interface that does not exist', () => {
    assert.throws(() => documentedOptions(source, 'Missing'), /no exported interface Missing/);
  });
});

describe('optionsTable', () => {
  it('makes a line of each option and keeps bars out of the columns', () => {
    const table = optionsTable(documentedOptions(source, 'Options'));
    assert.match(table, /^\| `source` \(required\) \| Who\. \|$/m);
    assert.match(table, /^\| `waitMs` \| How long, in ms: a \\\| b\. Default 5\. \|$/m);
  });
});
