import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { debianMirror, ensureTool } from './apt.ts';
import { withLock } from './lock.ts';
import { cache, ensureFolder } from './paths.ts';
import { announce, run } from './shell.ts';

/** Releases that the installed debootstrap may not know by name are built like any recent one. */
const recentScript = '/usr/share/debootstrap/scripts/sid';

/** A Debian of that release in a folder, with these packages, nothing of it installed or started. */
export async function debianRoot(suite: string, aptPackage: string): Promise<string> {
  const root = cache(`${aptPackage}-${suite}`);
  if (existsSync(root)) return root;
  return withLock(`root-${aptPackage}-${suite}`, async () => {
    if (existsSync(root)) return root;
    await ensureTool('debootstrap', 'debootstrap');
    const mirror = await debianMirror();
    const building = `${root}.building`;
    rmSync(building, { recursive: true, force: true });
    ensureFolder(dirname(root));
    announce(`debootstrap ${suite} with ${aptPackage} into .brokers/cache (about 80 s, 400 MB)`);
    await run('debootstrap', [
      '--variant=minbase',
      `--include=${aptPackage}`,
      suite,
      building,
      mirror,
      recentScript,
    ]);
    rmSync(join(building, 'var/cache/apt/archives'), { recursive: true, force: true });
    renameSync(building, root);
    return root;
  });
}

export function userIn(root: string, user: string): { readonly uid: number; readonly gid: number } {
  const line = readFileSync(join(root, 'etc/passwd'), 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${user}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) throw new Error(`${root} has no user ${user}`);
  return { uid: Number(uid), gid: Number(gid) };
}

/** Where the instance's folder is seen inside the root. */
export const mountPoint = '/mnt';

// The mounts live in a namespace of their own and vanish with the last process in it: nothing to
// unmount, and removing the root can never reach through a forgotten mount.
const enter = `set -e
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1${mountPoint}"
root=$1; user=$3; shift 3
exec chroot --userspec="$user" "$root" env -i "$@"`;

/** The command line that runs a command inside the root, with the folder at its mount point. */
export function insideRoot(
  root: string,
  folder: string,
  user: string,
  env: Readonly<Record<string, string>>,
  command: readonly string[],
): readonly [string, readonly string[]] {
  // Erlang hangs for ever, without a word, when it cannot resolve the host's own name
  writeFileSync(join(root, 'etc/hosts'), `127.0.0.1 localhost ${hostname()}\n::1 localhost\n`);
  const settings = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  return [
    'unshare',
    [
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-c',
      enter,
      'sh',
      root,
      folder,
      `${user}:${user}`,
      ...settings,
      ...command,
    ],
  ];
}
