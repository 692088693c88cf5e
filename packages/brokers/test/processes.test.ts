import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import {
  endGroup,
  freezeGroup,
  groupOf,
  identify,
  isAlive,
  killGroup,
  launch,
  parseStat,
  usageOf,
} from '../src/processes.ts';
import { until } from '../src/until.ts';

const folder = mkdtempSync(join(tmpdir(), 'duobus-processes-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const start = (script: string): ReturnType<typeof launch> =>
  launch(process.execPath, ['-e', script], { logFile: join(folder, 'log') });
const idle = 'setInterval(() => {}, 1000)';

describe('parseStat', () => {
  it('reads past a name with spaces and brackets', () => {
    const rest = Array.from({ length: 25 }, (_, index) => String(index + 4));
    const stat = parseStat(`7 (a) b (c) S 1 ${rest.slice(1).join(' ')}`);
    assert.deepEqual(stat, {
      state: 'S',
      parent: 1,
      group: 5,
      threads: 20,
      started: '22',
      cpuMs: (14 + 15) * 10,
      rssBytes: 24 * 4_096,
    });
  });
});

describe('a process', () => {
  it('is alive while it is the one that was started', async () => {
    const server = start(idle);
    assert.equal(isAlive(server), true);
    assert.equal(isAlive({ ...server, started: '1' }), false, 'another process with its pid');
    await killGroup(server);
    assert.equal(isAlive(server), false);
  });

  it('is dead as a zombie', async () => {
    // a shell would wait for its child; what it becomes does not, and only then does the child end
    const child = '(until grep -q sleep /proc/$$/comm; do :; done) & echo $!';
    const shell = spawn('sh', ['-c', `${child}; exec sleep 60`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const pid = Number(await new Promise<Buffer>((done) => shell.stdout.once('data', done)));
    await until(() => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z'), {
      timeoutMs: 10_000,
      what: 'a zombie',
    });
    assert.equal(isAlive(identify(pid)), false);
    shell.kill('SIGKILL');
  });

  it('takes its group with it, even if the leader died before', async () => {
    const child = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(idle)}])`;
    const server = start(`${child}; ${idle}`);
    await until(() => groupOf(server).length === 2, { timeoutMs: 10_000, what: 'the child' });
    process.kill(server.pid, 'SIGKILL');
    await until(() => !isAlive(server), { timeoutMs: 10_000, what: 'the leader to die' });
    assert.equal(groupOf(server).length, 1);
    await endGroup(server, 5_000);
    assert.deepEqual(groupOf(server), []);
  });

  it('takes descendants with it that have left its group', async () => {
    const script = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(idle)}], { detached: true })`;
    const server = start(`${script}; ${idle}`);
    await until(() => groupOf(server).length === 2, { timeoutMs: 10_000, what: 'the child' });
    const child = groupOf(server).find((pid) => pid !== server.pid) ?? 0;
    const known = identify(child);
    await killGroup(server);
    assert.equal(isAlive(known), false);
  });

  it('has stopped in all its threads when it is frozen', async () => {
    const spin = `new (require('worker_threads').Worker)('for (;;);', { eval: true });`;
    const server = start(spin.repeat(8));
    const states = (): string[] =>
      readdirSync(`/proc/${server.pid}/task`).map(
        (thread) =>
          parseStat(readFileSync(`/proc/${server.pid}/task/${thread}/stat`, 'utf8')).state,
      );
    const isRunning = (state: string): boolean => state === 'R';
    await until(() => states().filter(isRunning).length >= 8, {
      timeoutMs: 20_000,
      what: 'eight threads that run',
    });
    freezeGroup(server);
    assert.deepEqual([...new Set(states())], ['T']);
    await killGroup(server);
  });

  it('tells what it and its children cost', async () => {
    const child = `require('child_process').spawn(process.execPath, ['-e', 'for (;;);'])`;
    const server = start(`${child}; ${idle}`);
    await until(() => usageOf([server]).cpuMs > 500, { timeoutMs: 20_000, what: 'half a second' });
    assert.ok(usageOf([server]).rssBytes > 20_000_000);
    await killGroup(server);
    assert.deepEqual(usageOf([server]), { cpuMs: 0, rssBytes: 0 });
  });

  it('is asked with the signal it ends on', async () => {
    const server = launch(
      process.execPath,
      ['-e', `process.on('SIGTERM', () => {}); console.log('ready'); ${idle}`],
      { logFile: join(folder, 'ends-on'), endsOn: 'SIGINT' },
    );
    await until(() => readFileSync(join(folder, 'ends-on'), 'utf8').includes('ready'), {
      timeoutMs: 10_000,
      what: 'the handler',
    });
    const since = performance.now();
    await endGroup(server, 60_000);
    assert.ok(performance.now() - since < 30_000);
  });

  it('is killed when it does not end in time', async () => {
    const server = start(`process.on('SIGTERM', () => {}); console.log('deaf'); ${idle}`);
    await until(() => readFileSync(join(folder, 'log'), 'utf8').includes('deaf'), {
      timeoutMs: 10_000,
      what: 'the handler',
    });
    await endGroup(server, 100);
    assert.equal(isAlive(server), false);
  });

  it('is left alone when its pid belongs to another', async () => {
    const server = start(idle);
    const stale = { ...server, started: '1' };
    await endGroup(stale, 100);
    await killGroup(stale);
    assert.equal(isAlive(server), true);
    await killGroup(server);
  });
});
