import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type IdempotenceStore, memoryStore } from '@duobus/core';
import { casesFor, type InboxHarness, runInboxCase } from '../../src/inbox/index.ts';
import { type FileOptions, inboxHarness as fileHarness, makeFile } from './file-store.ts';
import { memoryHarness } from './memory-harness.ts';
import { inboxHarness as lonelyHarness } from './memory-module.ts';
import { type Flaws, transactionalHarness } from './transactional-memory.ts';

type Change = (store: IdempotenceStore) => Partial<IdempotenceStore>;

function broken(change: Change, keepsForMs?: number | null): InboxHarness {
  return memoryHarness((options) => {
    const store = memoryStore(keepsForMs === undefined ? options : { keepsForMs });
    return {
      keepsForMs: options.keepsForMs === undefined ? store.keepsForMs : options.keepsForMs,
      begin: (key, leaseMs, owner) => store.begin(key, leaseMs, owner),
      done: (key, owner) => store.done(key, owner),
      fail: (key, owner) => store.fail(key, owner),
      ...change(store),
    };
  });
}

/** Changes every key before the store sees it. */
const keyed =
  (to: (key: string) => string): Change =>
  (store) => ({
    begin: (key, leaseMs, owner) => store.begin(to(key), leaseMs, owner),
    done: (key, owner) => store.done(to(key), owner),
    fail: (key, owner) => store.fail(to(key), owner),
  });

let runs = 0;

const marks: readonly (readonly [what: string, killedBy: string, InboxHarness])[] = [
  [
    'lets everybody begin',
    'one-begins',
    broken((store) => ({
      begin: async (...all) => ((await store.begin(...all)) === 'done' ? 'done' : 'new'),
    })),
  ],
  [
    'takes a running one for done',
    'running-until-it-ends',
    broken((store) => ({
      begin: async (...all) => ((await store.begin(...all)) === 'new' ? 'new' : 'done'),
    })),
  ],
  [
    'has leases of no time',
    'running-until-it-ends',
    broken((store) => ({ begin: (key, _leaseMs, owner) => store.begin(key, 0, owner) })),
  ],
  [
    'frees what is done',
    'done-stays',
    broken((store) => {
      const freed = new Set<string>();
      return {
        begin: async (key, ...more) => (freed.has(key) ? 'new' : store.begin(key, ...more)),
        fail: async (key, owner) => {
          freed.add(key);
          await store.fail(key, owner);
        },
      };
    }),
  ],
  ['keeps nothing for long', 'done-stays', broken((store) => ({ done: (key) => store.fail(key) }))],
  ['keeps what failed', 'fail-frees', broken(() => ({ fail: async () => undefined }))],
  [
    'does not know its owner again',
    'owner-asks-again',
    broken((store) => ({
      begin: (key, leaseMs) => store.begin(key, leaseMs, `run ${(runs += 1)}`),
      done: (key) => store.done(key),
      fail: (key) => store.fail(key),
    })),
  ],
  [
    'needs names',
    'runs-without-names',
    broken((store) => ({
      begin: (key, leaseMs, owner = 'nobody') => store.begin(key, leaseMs, owner),
    })),
  ],
  ['lets anybody mark', 'lost-lease', broken((store) => ({ done: (key) => store.done(key) }))],
  ['lets anybody free', 'lost-lease', broken((store) => ({ fail: (key) => store.fail(key) }))],
  [
    'has leases without an end',
    'lease-ends',
    broken((store) => ({
      begin: (key, leaseMs, owner) => store.begin(key, leaseMs * 1_000_000, owner),
    })),
  ],
  [
    'refuses to mark late',
    'done-after-the-lease',
    broken((store) => ({
      done: async (key, owner) => {
        if ((await store.begin(key, 1000, 'look')) === 'new') throw new Error('too late');
        await store.done(key, owner);
      },
    })),
  ],
  ['never forgets', 'keeps-its-time', broken(() => ({}), null)],
  ['forgets too soon', 'keeps-its-time', broken(() => ({}), 1)],
  ['cuts keys', 'keys-of-all-kinds', broken(keyed((key) => key.slice(0, 1000)))],
  ['ends keys at NUL', 'keys-of-all-kinds', broken(keyed((key) => key.split('\0')[0] ?? ''))],
  ['ignores case', 'keys-of-all-kinds', broken(keyed((key) => key.toLowerCase()))],
  ['trims keys', 'keys-of-all-kinds', broken(keyed((key) => key.trimEnd()))],
  ['normalises keys', 'keys-of-all-kinds', broken(keyed((key) => key.normalize()))],
  [
    'writes keys as UTF-8',
    'keys-of-all-kinds',
    broken(keyed((key) => Buffer.from(key).toString())),
  ],
  [
    'says done when it is away',
    'away',
    {
      ...broken(() => ({})),
      away: async () => ({
        store: {
          keepsForMs: null,
          begin: async () => 'done',
          done: async () => undefined,
          fail: async () => undefined,
        },
        close: async () => undefined,
      }),
    },
  ],
  [
    'says that it is away as any error',
    'away',
    {
      ...broken(() => ({})),
      away: async () => ({
        store: {
          keepsForMs: null,
          begin: () => Promise.reject(new Error('ECONNREFUSED')),
          done: () => Promise.reject(new Error('ECONNREFUSED')),
          fail: () => Promise.reject(new Error('ECONNREFUSED')),
        },
        close: async () => undefined,
      }),
    },
  ],
  ['is not seen by other processes', 'processes', lonelyHarness()],
];

const transactions: readonly (readonly [flaw: keyof Flaws, killedBy: string])[] = [
  ['marksNothing', 'commits-together'],
  ['losesValues', 'commits-together'],
  ['commitsWhatFailed', 'rolls-back-together'],
  ['marksWhatFailed', 'rolls-back-together'],
  ['wrapsErrors', 'rolls-back-together'],
  ['runsTwoAtATime', 'one-transaction-at-a-time'],
  ['settlesRunning', 'one-transaction-at-a-time'],
  ['ignoresLeases', 'running-by-lease'],
  ['nestsInTheOuter', 'nested'],
  ['ignoresSignals', 'aborted-while-it-waits'],
  ['neverExpires', 'transaction-keeps-its-time'],
  ['cutsKeys', 'keys-of-transactions'],
];

const files: readonly (readonly [flaw: NonNullable<FileOptions['flaw']>, killedBy: string])[] = [
  ['marks first', 'killed-in-a-transaction'],
  ['commits effects at once', 'killed-in-a-transaction'],
  ['marks afterwards', 'killed-at-random'],
  ['looks before it begins', 'processes'],
];

async function isKilled(harness: InboxHarness, by: string, slow = 0.1): Promise<void> {
  const [only] = casesFor(harness, [by]);
  assert.ok(only);
  // what never comes is waited for, though not for as long as with a database
  await assert.rejects(runInboxCase(only, { ...harness, slow }), /^Error: expected/);
}

async function passes(harness: InboxHarness, name: string): Promise<void> {
  const [only] = casesFor(harness, [name]);
  assert.ok(only);
  await runInboxCase(only, harness);
}

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** A file of its own: others that write to it are part of a case. */
function inFile(options: Pick<FileOptions, 'flaw'>): InboxHarness {
  const folder = mkdtempSync(join(tmpdir(), 'duobus-'));
  folders.push(folder);
  makeFile(folder);
  return fileHarness({ folder, ...options });
}

describe('a broken store', { concurrency: 4 }, () => {
  for (const [what, killedBy, harness] of marks)
    it(`that ${what} is killed by ${killedBy}`, () => isKilled(harness, killedBy));

  for (const [flaw, killedBy] of transactions)
    it(`with transactions that ${flaw} is killed by ${killedBy}`, () =>
      isKilled(transactionalHarness({ [flaw]: true }), killedBy));

  for (const [flaw, killedBy] of files)
    it(`over processes that ${flaw} is killed by ${killedBy}`, () =>
      isKilled(inFile({ flaw }), killedBy, 1));
});

describe('a store that is not broken', () => {
  for (const name of new Set(transactions.map(([, killedBy]) => killedBy)))
    it(`passes ${name}, with transactions in memory`, () => passes(transactionalHarness(), name));

  for (const name of new Set(files.map(([, killedBy]) => killedBy)))
    it(`passes ${name}, over processes`, () => passes(inFile({}), name));
});
