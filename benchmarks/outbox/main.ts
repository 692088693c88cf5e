import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBroker } from '@duobus/brokers';
import { kills } from './kills.ts';
import { speed } from './speed.ts';

const usage = `npm run outbox -- kills|speed [options]
  kills                relays are killed and stopped at random; fails if a document is lost, invented or overtaken
  speed                documents per second through an outbox, and published without one, in turns
  --store postgres|sqlite   default postgres
  --documents N        default 20,000
  --seed N             default 1 (kills)
  --rounds N           default 5 (speed)
  --json FILE          writes the figures`;

const text = { type: 'string' } as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { store: text, documents: text, seed: text, rounds: text, json: text },
});
const { store = 'postgres', documents = '20000', seed = '1', rounds = '5', json } = values;
const [what = ''] = positionals;
if (!['kills', 'speed'].includes(what) || !['postgres', 'sqlite'].includes(store)) {
  console.error(usage);
  process.exit(1);
}
await using redis = await startBroker('redis');
await using postgres = store === 'postgres' ? await startBroker('postgres') : undefined;
const folder = mkdtempSync(join(tmpdir(), 'duobus-outbox-'));
try {
  const places = { shopUrl: postgres?.url ?? join(folder, 'shop.db'), busUrl: redis.url };
  const report =
    what === 'kills'
      ? await kills({
          ...places,
          documents: Number(documents),
          writers: 4,
          keys: 50,
          seed: Number(seed),
        })
      : await speed({ ...places, documents: Number(documents), rounds: Number(rounds) });
  const figures = `${JSON.stringify({ what, store, ...report }, undefined, 2)}\n`;
  console.log(figures);
  if (json !== undefined) {
    mkdirSync(dirname(json), { recursive: true });
    writeFileSync(json, figures);
  }
  if ('lost' in report && report.lost + report.invented + report.overtaken + report.renamed > 0)
    process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
