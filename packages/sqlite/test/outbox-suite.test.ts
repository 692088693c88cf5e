// #region suite
import { describe, it } from 'node:test';
import { outboxSuite } from '@duobus/conformance/outbox';
import { sqliteOutbox } from '../src/index.ts';
import { databaseFile } from './support/outbox-file.ts';

for (const journal of ['wal', 'delete'] as const) {
  describe(`the outbox in SQLite, journal mode ${journal}`, () => {
    outboxSuite({
      test: it,
      outbox: {
        name: 'sqlite',
        writers: 'one',
        open: () => {
          const file = databaseFile(journal);
          const store = () => sqliteOutbox({ source: '/suite', database: file.connect() }).store;
          return {
            store: store(),
            other: store(),
            begin() {
              const tx = file.connect();
              tx.exec('begin');
              const end = (verb: string): void => {
                tx.exec(verb);
                tx.close();
              };
              return { tx, commit: () => end('commit'), rollback: () => end('rollback') };
            },
            close: () => file[Symbol.dispose](),
          };
        },
      },
    });
  });
}
// #endregion suite
