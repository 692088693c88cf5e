import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Report } from '@duobus/conformance';
import { compileSqlite } from './support/compile-sqlite.ts';
import { keepOrCompare } from './support/kept.ts';
import {
  entriesOf,
  type Packed,
  packAll,
  publishable,
  publishableNamed,
  root,
  testTools,
  withOurs,
} from './support/packages.ts';
import { Project } from './support/project.ts';
import { type Ended, run } from './support/run.ts';
import { judgedTest, runners } from './support/runners.ts';
import { type Target, targets } from './support/targets.ts';

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'duobus-installed-')));
let packed: ReadonlyMap<string, Packed> = new Map();

before(async () => {
  packed = await packAll(scratch);
});
after(() => rmSync(scratch, { recursive: true, force: true }));

function packageOf(name: string): Packed {
  const found = packed.get(name);
  assert.ok(found, `${name} was not packed`);
  return found;
}

/** Installs these and what of ours belongs to them. */
async function projectWith(name: string, packages: readonly string[]): Promise<Project> {
  const project = new Project(join(scratch, name));
  await project.install(packages.map((one) => packageOf(one).tarball));
  return project;
}

for (const { name, folder, version, scripts, ...manifest } of publishable) {
  describe(`the package ${name}`, () => {
    it('is looked at by publint and are-the-types-wrong: npm run pack:check', () => {
      assert.equal(scripts?.['pack:check'], 'publint --strict && attw --pack . --profile esm-only');
    });

    it('has what is compiled with its source, a licence and a page, and nothing else', () => {
      const { files } = packageOf(name);
      const sources = files.filter((file) => /^src\/.+\.ts$/.test(file));
      const compiled = sources.flatMap((file) =>
        ['.js', '.js.map', '.d.ts', '.d.ts.map'].map((end) =>
          file.replace(/^src\/(.+)\.ts$/, `dist/$1${end}`),
        ),
      );
      const wanted = ['LICENSE', 'README.md', 'package.json', ...sources, ...compiled];
      const missing = wanted.filter((file) => !files.includes(file));
      const tooMuch = files.filter((file) => !wanted.includes(file));
      assert.deepEqual(missing, []);
      // turbo leaves what is no longer compiled
      const hint = `if it is old: rm -r ${folder}/dist`;
      assert.ok(tooMuch.length === 0, `${folder} packs ${tooMuch.join(', ')}; ${hint}`);
    });

    it('asks for others of ours in this version', () => {
      const ranges = Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies });
      const others = ranges.filter(([other]) => other.startsWith('@duobus/'));
      for (const [other, range] of others) assert.equal(range, `^${version}`, other);
    });
  });
}

/** The test of one adapter. */
function installed(target: Target): void {
  const { adapter } = target;
  const name = `@duobus/${adapter}`;
  // one after the other in one project, whatever goes on in others
  describe(`core and ${adapter}, installed`, { concurrency: 1 }, () => {
    const ours = withOurs(name);
    const entries = ours.flatMap(entriesOf);
    let project = new Project(join(scratch, adapter));
    before(async () => {
      project = await projectWith(adapter, ours);
    });

    it('bring along no other adapter, no test tool, and one of each of ours', () => {
      const installed = project.installed();
      const found = installed.filter((path) => path.includes('@duobus/'));
      assert.deepEqual(found.toSorted(), ours);
      const apart = ours.filter((one) => !publishableNamed(one).folder.startsWith('packages/'));
      assert.deepEqual(apart, [name]);
      const tools = installed.filter((path) =>
        testTools.some((tool) => path === tool || path.endsWith(`/${tool}`)),
      );
      assert.deepEqual(tools, []);
      assert.deepEqual(
        installed.filter((path) => path.includes('@types/')),
        [],
      );
    });

    it('are as large as the README says', () => {
      const foreign = project.installed().filter((path) => !path.includes('@duobus/'));
      keepOrCompare({ adapter, dependencies: foreign.length, bytes: project.size() });
    });

    it('lead from maps to the source, and nowhere on the machine that packed them', () => {
      const files = project.files('node_modules/@duobus/**');
      assert.ok(files.length > 0);
      assert.deepEqual(
        files.filter((file) => project.read(file).includes(root)),
        [],
      );
      const maps = files.filter((file) => file.endsWith('.map'));
      const lost = maps.filter((file) => {
        const { sources } = JSON.parse(project.read(file)) as { readonly sources: string[] };
        return sources.some((source) => !files.includes(join(dirname(file), source)));
      });
      assert.deepEqual(lost, []);
    });

    for (const [how, program] of [
      ['imported', 'both-buses.mjs'],
      ['required', 'both-buses.cjs'],
    ] as const)
      it(`carry documents over both buses when ${how}, and let the process end`, async () => {
        for (const file of [program, 'over-both.cjs']) project.copy(file);
        const ended = await project.node(program, ...argumentsFor(target), ...entries);
        assertBothBuses(ended, project, target);
      });

    describe('with TypeScript', () => {
      const bundler = { module: 'esnext', moduleResolution: 'bundler', noEmit: true };
      const nodenext = { module: 'nodenext', outDir: 'out' };
      before(() => {
        project.addTypesOfNode();
        for (const file of ['typed.ts', 'required.cts'])
          project.write(file, project.program(file).replaceAll('@duobus/memory', name));
        const exported = entries.map((entry, n) => `export * as entry${n} from '${entry}';\n`);
        project.write('entries.ts', exported.join(''));
      });

      it('compile as modules of Node, and what was compiled runs', async () => {
        const compiled = await project.tsc(nodenext, ['typed.ts', 'required.cts', 'entries.ts']);
        assert.equal(compiled.code, 0, compiled.said);
        assertBothBuses(
          await project.node('out/typed.js', ...argumentsFor(target)),
          project,
          target,
        );
      });

      it('compile for a bundler', async () => {
        const compiled = await project.tsc(bundler, ['typed.ts', 'entries.ts']);
        assert.equal(compiled.code, 0, compiled.said);
      });

      for (const [resolution, options] of Object.entries({ nodenext, bundler }))
        it(`do not compile with a document of another type, ${resolution}`, async () => {
          const right = project.program('typed.ts');
          const wrong = right.replace("{ orderId: 'event' }", '{ orderId: 42 }');
          assert.notEqual(wrong, right);
          project.write('wrong.ts', wrong.replaceAll('@duobus/memory', name));
          const fast = { noEmit: true, skipLibCheck: true };
          const { stdout } = await project.tsc({ ...options, ...fast }, ['wrong.ts']);
          const errors = stdout.split('\n').filter((line) => line.includes('error TS'));
          assert.equal(errors.length, 1, stdout);
          assert.match(stdout, /^wrong\.ts\(\d+,\d+\): error TS2322: .*'number'.*'string'/);
        });
    });
  });
}

// their brokers make them wait more than they compute
describe('adapters', { concurrency: 2 }, () => {
  for (const target of targets) installed(target);
});

function argumentsFor({ url, foreign }: Target): readonly string[] {
  return [url(), `installed-${randomUUID().slice(0, 8)}`, foreign];
}

function assertBothBuses({ code, stdout, said }: Ended, project: Project, target: Target): void {
  assert.equal(code, 0, said);
  const { missing, core, ...told } = JSON.parse(stdout) as Readonly<Record<string, string>>;
  assert.deepEqual(told, { events: { orderId: 'event' }, data: [{ orderId: 'data' }] });
  assert.match(
    String(missing),
    new RegExp(`^${target.foreign} needs the package (\\S+), .*: npm install \\1$`),
  );
  const dist = join(project.folder, 'node_modules/@duobus/core/dist/index.js');
  assert.equal(core, pathToFileURL(dist).href);
}

describe('the suite, installed', { concurrency: 1 }, () => {
  const ours = [...new Set(['@duobus/conformance', '@duobus/memory'].flatMap(withOurs))];
  let project = new Project(join(scratch, 'suite'));
  before(async () => {
    project = await projectWith('suite', ours);
  });

  it('brings nothing along but core', () => {
    const others = project.installed().filter((path) => path.includes('@duobus/'));
    assert.deepEqual(others.toSorted(), ours.toSorted());
    assert.deepEqual(
      project.installed().filter((path) => !path.includes('@duobus/')),
      ['uuid'],
    );
  });

  describe('judges an adapter in a test runner', { concurrency: 1 }, () => {
    before(async () => {
      project.copy('judged.mjs');
      await project.install(runners.flatMap(({ packages }) => packages));
    });

    for (const { name, args, counts } of runners) {
      const program = `import { it } from '${name}';\nimport { judge } from './judged.mjs';\njudge(it);\n`;
      it(`${name}: every case is a test that passes`, async () => {
        project.write(judgedTest, program);
        const ended = await project.node(...args);
        assert.equal(ended.code, 0, ended.said);
        assert.deepEqual(counts(ended), { passed: 4, failed: 0 }, ended.said);
      });

      it(`${name}: a case that fails is a test that fails, and says why`, async () => {
        project.write(judgedTest, program);
        const ended = await project.with({ ADAPTER: 'broken' }).node(...args);
        assert.notEqual(ended.code, 0, ended.said);
        assert.deepEqual(counts(ended), { passed: 3, failed: 1 }, ended.said);
        assert.match(ended.said, /Promised: What is settled never comes back/);
      });
    }
  });

  it('takes the test function of vitest, for TypeScript too', async () => {
    project.addTypesOfNode();
    const lines = [
      "import { it } from 'vitest';",
      "import { overUrl, suite } from '@duobus/conformance';",
      "suite({ test: it, adapter: { name: 'my', ...overUrl('my:x') } });",
    ];
    project.write('judged.ts', lines.join('\n'));
    const options = { module: 'nodenext', noEmit: true, skipLibCheck: true };
    const { code, said } = await project.tsc(options, ['judged.ts']);
    assert.equal(code, 0, said);
  });

  it('judges an adapter by its command, and knows none that is not there', async () => {
    const judge = (adapter: string): Promise<Ended> =>
      project.node(
        'node_modules/.bin/duobus-conformance',
        `--adapter=${adapter}`,
        '--case=offset-reset',
      );
    const { code, said } = await judge('memory');
    assert.equal(code, 0, said);
    assert.match(said, /offset-reset/);
    assert.equal((await judge('kafka')).code, 2);
  });

  it('judges an adapter that is a file, by npx, and leaves its reports', async () => {
    await compileSqlite(project, 'my-adapter');
    const cases = ['fan-out', 'crash.returns-the-document', 'offset-reset'];
    const { code, said } = await run(
      project.folder,
      'npx',
      '--no-install',
      'duobus-conformance',
      '--adapter=./my-adapter/index.js',
      '--url=sqlite:judged.db',
      ...cases.map((name) => `--case=${name}`),
      '--report=report.json',
      '--junit=out/junit.xml',
      '--markdown=out/matrix.md',
    );
    assert.equal(code, 0, said);
    assert.match(said, /^pass fan-out \(\d+ ms, \d of 3\)$/m);
    const report = JSON.parse(project.read('report.json')) as Report;
    assert.deepEqual(
      [report.adapter, report.cases.map(({ verdict, consumers }) => [verdict, consumers])],
      [
        'my-adapter',
        [
          ['pass', undefined],
          ['pass', 'processes'],
          ['unsupported', undefined],
        ],
      ],
    );
    assert.match(project.read('out/junit.xml'), /<testsuite name="my-adapter" tests="3" /);
    assert.match(project.read('out/matrix.md'), /^\| E8 \| 1 of 1 \| `crash\.returns/m);
  });
});
