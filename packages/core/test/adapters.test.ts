import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { adapterFor, isAdapter, registerAdapter } from '../src/adapters.ts';
import type { AdapterConfig } from '../src/adapters.ts';
import type { Adapter } from '../src/bus.ts';
import { redact } from '../src/internal/redact.ts';

const some = { name: 'some', queue: {} } as unknown as Adapter;

describe('registerAdapter', () => {
  it('makes a function or a module known under a scheme', async () => {
    const seen: AdapterConfig[] = [];
    const createAdapter = (config: AdapterConfig): Adapter => {
      seen.push(config);
      return some;
    };
    registerAdapter('own', createAdapter);
    registerAdapter('own+tls', { createAdapter });
    assert.equal(await adapterFor({ url: 'own://host' }), some);
    assert.equal(await adapterFor({ url: 'OWN+TLS://host', options: { a: 1 } }), some);
    assert.deepEqual(seen, [{ url: 'own://host' }, { url: 'OWN+TLS://host', options: { a: 1 } }]);
  });

  it('waits for a function that returns a promise', async () => {
    registerAdapter('later', async () => some);
    assert.equal(await adapterFor({ url: 'later:' }), some);
  });

  it('says that a function returned no adapter', async () => {
    registerAdapter('broken', () => ({ name: 'broken' }));
    await assert.rejects(
      adapterFor({ url: 'broken://u:secret@h' }),
      (error: Error) =>
        error instanceof TypeError &&
        /'broken'/.test(error.message) &&
        !/secret/.test(error.message),
    );
  });

  it('refuses what is no scheme and what is no adapter', () => {
    for (const scheme of ['', 'Own', '1a', 'a:', 'a//', undefined]) {
      assert.throws(() => registerAdapter(scheme as string, () => some), TypeError);
    }
    for (const adapter of [undefined, null, {}, 'x', { createAdapter: 1 }]) {
      assert.throws(() => registerAdapter('own', adapter as never), TypeError);
    }
  });
});

describe('adapterFor', () => {
  it('lists the schemes it knows when it does not know one, and the nearest', async () => {
    await assert.rejects(adapterFor({ url: 'kafkaa://u:secret@h' }), (error: Error) => {
      assert.ok(error instanceof TypeError);
      assert.match(error.message, /Did you mean 'kafka'\?.*amqp:.*redis:.*sns\+sqs:/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
    await assert.rejects(adapterFor({ url: 'no address' }), {
      name: 'TypeError',
      message: /begins with a scheme/,
    });
  });
});

describe('isAdapter', () => {
  it('takes what has a name and a half', () => {
    assert.ok(isAdapter(some));
    assert.ok(isAdapter({ name: 'x', log: {} }));
    for (const value of [
      null,
      undefined,
      'memory:',
      {},
      { name: 'x' },
      { queue: {} },
      { name: 'x', queue: 'y' },
    ])
      assert.ok(!isAdapter(value));
  });
});

describe('redact', () => {
  for (const [url, expected] of [
    ['amqp://localhost', 'amqp://localhost'],
    ['amqp://user:secret@host:5672/vhost', 'amqp://***@host:5672/vhost'],
    ['kafka://u:secret@a:1,u:secret@b:2', 'kafka://***@b:2'],
    ['amqp://u:sec/ret?x@host', 'amqp://***@host'],
    ['redis://:secret@host', 'redis://***@host'],
    ['kafka://host?sasl=secret&x=secret#y=secret', 'kafka://host?sasl=***&x=***#y=***'],
    ['sns+sqs:?secretAccessKey=secret', 'sns+sqs:?secretAccessKey=***'],
    ['secret', '(an address without a scheme)'],
  ] as const) {
    it(`makes ${expected} of an address`, () => assert.equal(redact(url), expected));
  }
});

describe('adapterFor, in an application of its own', () => {
  const run = promisify(execFile);
  let base = '';
  let folder = '';

  before(async () => {
    base = await mkdtemp(join(tmpdir(), 'duobus-application-'));
    folder = join(base, 'application');
    // A copy outside the application, as strict package managers keep it: it sees nothing of this repository.
    await cp(join(import.meta.dirname, '../src'), join(base, 'store/core'), { recursive: true });
    await mkdir(folder);
    await mkdir(join(base, 'tool'));
    await writeFile(
      join(folder, 'main.mjs'),
      `import { adapterFor } from '../store/core/adapters.ts';
       process.chdir(process.argv[3] ?? '.');
       try { console.log((await adapterFor({ url: process.argv[2] })).name); }
       catch (error) { console.log(error.name, error.code, error.message, error.cause?.message ?? ''); }`,
    );
    await cp(join(folder, 'main.mjs'), join(base, 'tool/main.mjs'));
    const sound =
      "export const createAdapter = (config) => ({ name: 'installed ' + config.url, queue: {} });";
    await install('rabbitmq', sound);
    await install('memory', sound, join(base, 'store'));
    await install('redis-streams', "throw new Error('needs a newer node');");
    await install('sns-sqs', 'export const other = 1;');
  });

  after(() => rm(base, { recursive: true }));

  async function install(name: string, source: string, beside = folder): Promise<void> {
    const to = join(beside, 'node_modules/@duobus', name);
    await mkdir(to, { recursive: true });
    await writeFile(
      join(to, 'package.json'),
      JSON.stringify({ name: `@duobus/${name}`, type: 'module', exports: './index.js' }),
    );
    await writeFile(join(to, 'index.js'), source);
  }

  async function application(url: string, cwd = folder, main = folder): Promise<string> {
    // Without the repository's condition: packages are found as a user's application finds them.
    const { stdout } = await run(process.execPath, [join(main, 'main.mjs'), url, cwd], {
      cwd: folder,
    });
    return stdout.trim();
  }

  it('finds an adapter that is installed beside the application', async () => {
    assert.equal(await application('amqps://host'), 'installed amqps://host');
  });

  it('finds it from the main script too, wherever the process was started', async () => {
    assert.equal(await application('amqp://host', '/'), 'installed amqp://host');
  });

  it('finds it from the working directory, when a tool elsewhere runs the application', async () => {
    assert.equal(await application('amqp://h', folder, join(base, 'tool')), 'installed amqp://h');
  });

  it('finds one that is installed only beside core', async () => {
    assert.equal(await application('memory:'), 'installed memory:');
  });

  it('says what failed in an adapter that is installed', async () => {
    assert.match(
      await application('redis://u:secret@h'),
      /^BusError DUOBUS_NOT_FOUND .*@duobus\/redis-streams is installed but.*needs a newer node/,
    );
  });

  it('says that the package of an adapter does not fit', async () => {
    assert.match(
      await application('sns+sqs:'),
      /^BusError DUOBUS_NOT_FOUND .*@duobus\/sns-sqs exports no createAdapter/,
    );
  });

  it('says what to install when it is not, and no credentials', async () => {
    const said = await application('kafka+ssl://user:secret@host');
    assert.match(said, /^BusError DUOBUS_NOT_FOUND .*npm install @duobus\/kafka/);
    assert.doesNotMatch(said, /secret|user/);
  });
});
