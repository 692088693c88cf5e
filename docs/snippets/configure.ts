import assert from 'node:assert/strict';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@duobus/core';
import { createAdapter } from '@duobus/kafka';
import { parse } from 'yaml';

const folder = await mkdtemp(join(tmpdir(), 'duobus-'));
process.env.BUS_GRACE_MS = '10000';

{
  // #region url
  await using bus = await connect(process.env.BUS_URL, { source: '/shop/orders' });
  // #endregion url
  assert.ok((await bus.health()).ok);
}
{
  // #region object
  await using bus = await connect({
    url: 'memory://shop',
    options: { maxBytes: 64 * 1024 * 1024 }, // of the adapter: they win over the URL
    source: '/shop/orders', // of the bus
    publishTimeoutMs: 10_000,
  });
  // #endregion object
  assert.ok((await bus.health()).ok);
}
{
  // #region environment
  await using bus = await connect(process.env.BUS_URL, {
    source: process.env.BUS_SOURCE ?? '/shop/orders',
    graceMs: Number(process.env.BUS_GRACE_MS ?? 25_000), // the environment has text only
  });
  // #endregion environment
  assert.ok((await bus.health()).ok);
}
{
  await writeFile(
    join(folder, 'bus.json'),
    JSON.stringify({ url: 'memory://file', options: { groupLeaseMs: 10_000 }, source: '/shop' }),
  );
  process.chdir(folder);
  // #region json
  // readFile is that of node:fs/promises
  const config = JSON.parse(await readFile('bus.json', 'utf8'));
  await using bus = await connect(config);
  // #endregion json
  assert.ok((await bus.health()).ok);
}
{
  // the page's own, on brokers that are here
  const page = await readFile(new URL('../how-to/configure.md', import.meta.url), 'utf8');
  const [, text = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? [];
  const { data } = parse(text);
  assert.equal(createAdapter(data).name, 'kafka');
  const here = text
    .replace('amqp://broker', 'memory://from-yaml')
    .replace(/url: .*[^]*/, 'url: memory://data-from-yaml');
  await writeFile(join(folder, 'bus.yaml'), here);
  // #region yaml
  // parse is that of the package yaml
  await using bus = await connect(parse(await readFile('bus.yaml', 'utf8')));
  // #endregion yaml
  assert.ok((await bus.health()).ok);
}
{
  // #region two
  await using bus = await connect({
    events: { url: 'memory://events' },
    data: { url: 'memory://data', options: { groupLeaseMs: 10_000 } },
    source: '/shop/orders',
  });
  // #endregion two
  assert.ok((await bus.health()).ok);
}

// #region misspelt
const misspelt = connect({ url: 'memory://shop', source: '/shop/orders', gracMs: 5_000 } as object);
// TypeError: connect: unknown option 'gracMs'. Did you mean 'graceMs'?
// #endregion misspelt
await assert.rejects(misspelt, {
  message: "connect: unknown option 'gracMs'. Did you mean 'graceMs'?",
});
