import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { render } from './markdown.ts';
import { pageNames, readPage, root, sources } from './pages.ts';

for (const name of pageNames()) {
  const page = readPage(name);
  const rendered = render(page, sources);
  if (rendered === page) continue;
  writeFileSync(join(root, name), rendered);
  console.log(`updated ${name}`);
}
