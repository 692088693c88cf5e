import { expectSame } from '../../expect.ts';
import type { InboxCase } from '../case.ts';
import { leaseMs } from '../settle.ts';

const long = 'x'.repeat(100_000);

/** Pairs that a careless store takes for one. */
const hostile: readonly string[] = [
  '',
  ' ',
  '  ',
  'a',
  'A',
  'a ',
  'a\n',
  'a\t',
  '\u00e9',
  'e\u0301',
  'ß',
  'ss',
  '\u{1f600}',
  '\0',
  'a\0',
  'a\0b',
  'a\0c',
  '\ud800',
  '\ud801',
  '\ufffd',
  '%',
  '_',
  '*',
  '?',
  '[a]',
  '{a}',
  '{a}b',
  "'",
  "''",
  '"',
  '\\',
  '\\\\',
  '`',
  '$1',
  '?1',
  ':a',
  '--',
  '/*',
  "'; DROP TABLE x; --",
  '__proto__',
  'constructor',
  'null',
  'undefined',
  '0',
  '00',
  '1e0',
  long,
  `${long}a`,
  `${long}b`,
  `b${long}`,
];

export const keyCases: readonly InboxCase[] = [
  {
    name: 'keys-of-all-kinds',
    needs: [],
    async run(context) {
      const store = await context.open();
      const base = context.key();
      const keys = hostile.map((text) => `${base}${text}`);
      const answers = async (): Promise<readonly string[]> => {
        const all: string[] = [];
        for (const key of keys) all.push(await store.begin(key, leaseMs, 'b'));
        return all;
      };
      for (const key of keys)
        expectSame(
          await store.begin(key, leaseMs, 'a'),
          'new',
          `the first answer for ${JSON.stringify(key.slice(0, 80))}`,
        );
      for (const [index, key] of keys.entries()) if (index % 2 === 0) await store.done(key, 'a');
      expectSame(
        await answers(),
        keys.map((_, index) => (index % 2 === 0 ? 'done' : 'running')),
        'the answers when every other one is done',
      );
      for (const [index, key] of keys.entries()) if (index % 2 === 1) await store.fail(key, 'a');
      expectSame(
        await answers(),
        keys.map((_, index) => (index % 2 === 0 ? 'done' : 'new')),
        'the answers when the others have failed',
      );
    },
  },
  {
    name: 'keys-of-transactions',
    needs: ['effects'],
    async run(context) {
      const store = await context.openTransactional();
      const base = context.key();
      for (const again of [false, true])
        for (const text of hostile) {
          const { result } = await store.transaction(`${base}${text}`, async () => undefined);
          expectSame(
            result,
            again ? 'done' : 'new',
            `the answer for ${JSON.stringify(text.slice(0, 80))}`,
          );
        }
    },
  },
];
