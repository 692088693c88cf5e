// The way into every command: works on a fresh clone with npm and Node 20, where the TypeScript
// entry itself would not. Installs what the lock says, finds a Node that runs TypeScript, hands over.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(fileURLToPath(import.meta.url), '../..');

const read = (file) => JSON.parse(readFileSync(join(root, file), 'utf8')).packages;

/** npm keeps a lock of what it has installed; platform packages of other platforms are not in it. */
function isInstalled() {
  try {
    const installed = read('node_modules/.package-lock.json');
    return Object.entries(read('package-lock.json')).every(([path, wanted]) => {
      if (!path.includes('node_modules/')) return true;
      const present = installed[path];
      if (present === undefined) return wanted.optional === true;
      return present.version === wanted.version && present.integrity === wanted.integrity;
    });
  } catch {
    return false;
  }
}

function install() {
  process.stderr.write('installing the dependencies: npm ci\n');
  const windows = process.platform === 'win32';
  const { status } = spawnSync('npm', ['ci', '--no-progress'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: windows,
  });
  if (status !== 0) process.exit(status ?? 1);
}

/** Types are stripped without a flag from 22.18 on. */
function runsTypeScript(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 23 || (major === 22 && minor >= 18) || (major === 23 && minor >= 6);
}

function findNode() {
  if (runsTypeScript(process.versions.node)) return process.execPath;
  const folder = `node_modules/node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const bundled = ['bin/node', 'bin/node.exe']
    .map((file) => join(root, folder, file))
    .find(existsSync);
  if (bundled !== undefined) return bundled;
  process.stderr.write(
    `Node ${process.versions.node} is too old, and none comes with npm for ${process.platform}-${process.arch}: install Node 24\n`,
  );
  return process.exit(1);
}

if (!isInstalled()) install();
const [entry = '', ...args] = process.argv.slice(2);
// kafkajs computes negative timeouts all day long (tulios/kafkajs#1751)
const flags = ['--conditions=duobus:source', '--disable-warning=TimeoutNegativeWarning'];
const child = spawn(findNode(), [...flags, join(root, entry), ...args], {
  stdio: 'inherit',
  // processes are started by the hundred, and each would compile the same modules anew
  env: { NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compiled'), ...process.env },
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    // a terminal has sent Ctrl-C to the child already, and a second one means "at once" to many
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
