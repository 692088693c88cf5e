import { randomUUID } from 'node:crypto';
import { between, seededRandom } from '../faults/random.ts';
import { openShop } from './shop.ts';

/** Commits so many documents to random keys, and rolls others back; ends by itself. */
const [url = '', documents = '', keys = '', seed = ''] = process.argv.slice(2);
const random = seededRandom(Number(seed));
const shop = openShop(url);
for (let committed = 0; committed < Number(documents); ) {
  const commits = random() > 0.2;
  await shop.count(`k${between(random, 1, Number(keys))}`, randomUUID(), commits);
  if (commits) committed += 1;
}
await shop.close();
