import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { between, seededRandom } from '../faults/random.ts';
import { openShop } from './shop.ts';

/** Commits so many documents to random keys, and rolls others back; ends by itself. */
const [url = '', documents = '', keys = '', seed = ''] = process.argv.slice(2);
const random = seededRandom(Number(seed));
const shop = openShop(url);
let failures = 0;
for (let committed = 0; committed < Number(documents); ) {
  const commits = random() > 0.2;
  try {
    await shop.count(`k${between(random, 1, Number(keys))}`, randomUUID(), commits);
    if (commits) committed += 1;
  } catch (error) {
    // while the database restarts; whether it has committed, the truth beside the outbox says
    failures += 1;
    if (failures > 500) throw error;
    await sleep(20);
  }
}
await shop.close();
