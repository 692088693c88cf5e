import { sqliteInbox } from '../../src/index.ts';

const inbox = sqliteInbox(process.argv[2] ?? '');
const runs = Array.from({ length: 10 }, (_, index) =>
  inbox.transaction(`${index % 5}`, async (tx) => tx.exec('SELECT 1')),
);
await Promise.all(runs);
await inbox.close();
