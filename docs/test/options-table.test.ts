import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { documentedOptions, mentionedOptions, optionsTable } from '../options-table.ts';
import { pageNames, readPage, root } from '../pages.ts';

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

/** Entries of packages for users. What else there is, is for those who write adapters: see the tutorial. */
const entries = [
  'packages/core/src/index.ts',
  'packages/core/src/testing.ts',
  ...globSync('adapters/*/src/index.ts', { cwd: root }),
  ...globSync('packages/{outbox,postgres,sqlite}/src/index.ts', { cwd: root }),
  'conformance/src/index.ts',
];

const isOptions = (name: string): boolean =>
  /(?:Options|Config|Filter|Sasl|Credentials|Retention)$/.test(name);

/** What an entry exports of that kind, and in which file it is. */
function exportedOptions(entry: string): readonly string[] {
  const source = readFileSync(join(root, entry), 'utf8');
  return [...source.matchAll(/export (?:type )?\{([^}]*)\} from '(\.[^']*)'/g)].flatMap(
    ([, names = '', from = '']) =>
      names
        .split(',')
        .map((name) => name.replace('type ', '').trim())
        .filter(isOptions)
        .map((name) => `${join(dirname(entry), from)} ${name}`),
  );
}

const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');

/** Interfaces in tables: file and name, once for each time that they are in one. */
const tables = pageNames().flatMap((page) =>
  [...readPage(page).matchAll(/<!-- generated: options (\S+) (.+) -->/g)].flatMap(
    ([, file = '', names = '']) =>
      names.split(' ').map((name) => `${file} ${name.replace(/^Partial<(\w+)>$/, '$1')}`),
  ),
);

describe('the tables of options', () => {
  it('have every interface of options once, that a package exports', () => {
    const exported = entries.flatMap(exportedOptions).filter((one) => {
      const [file = '', name = ''] = one.split(' ');
      // one without members of its own is told by that which it extends
      return documentedOptions(textOf(file), name).length > 0;
    });
    assert.ok(exported.length > 25, String(exported.length));
    assert.deepEqual(
      exported.filter((one) => !tables.includes(one)),
      [],
    );
    assert.deepEqual(
      tables.filter((one, at) => tables.indexOf(one) !== at),
      [],
    );
  });

  it('have every interface that one of them leads to', () => {
    const known = new Set(tables.map((one) => one.split(' ')[1]));
    const missing = tables.flatMap((one) => {
      const [file = '', name = ''] = one.split(' ');
      return mentionedOptions(textOf(file), name).filter((other) => !known.has(other));
    });
    assert.deepEqual(missing, []);
  });
});
