import { chownSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { insideRoot, mountPoint, userIn } from './debian-root.ts';
import { launch, type LaunchOptions, type ProcessId } from './processes.ts';
import { run } from './shell.ts';

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Where programs are: in a Debian root of ours, where they run as a user of it, or on this machine. */
export type Programs =
  | { readonly root: string; readonly user: string; readonly bin?: string }
  | { readonly bin: string; readonly owner?: Owner | undefined };

/** Runs programs on a folder, wherever they are. */
export interface Workshop {
  /** The folder as the programs see it. */
  readonly seen: string;
  /** Hands the folder over to the user the programs run as. */
  give(): void;
  run(program: string, args: readonly string[]): Promise<string>;
  launch(program: string, args: readonly string[], options: LaunchOptions): ProcessId;
}

function give(folder: string, owner: Owner): void {
  chownSync(folder, owner.uid, owner.gid);
  for (const entry of readdirSync(folder)) {
    const path = join(folder, entry);
    if (statSync(path).isDirectory()) give(path, owner);
    else chownSync(path, owner.uid, owner.gid);
  }
}

const usualPath = '/usr/sbin:/usr/bin:/sbin:/bin';

/** The environment is made from the folder as it is seen; PATH and LANG are added to it. */
export function workshop(
  programs: Programs,
  folder: string,
  environment: (seen: string) => Readonly<Record<string, string>> = () => ({}),
): Workshop {
  const bin = programs.bin === undefined ? '' : `${programs.bin}:`;
  if ('root' in programs) {
    const { root, user } = programs;
    const env = { LANG: 'C.UTF-8', PATH: `${bin}${usualPath}`, ...environment(mountPoint) };
    const inside = (program: string, args: readonly string[]) =>
      insideRoot(root, folder, user, env, [program, ...args]);
    return {
      seen: mountPoint,
      give: () => give(folder, userIn(root, user)),
      run: (program, args) => run(...inside(program, args)),
      launch: (program, args, options) => launch(...inside(program, args), options),
    };
  }
  const env = {
    ...process.env,
    LANG: 'C.UTF-8',
    ...environment(folder),
    PATH: `${bin}${process.env['PATH'] ?? usualPath}`,
  };
  const { owner } = programs;
  return {
    seen: folder,
    give: () => (owner === undefined ? undefined : give(folder, owner)),
    run: (program, args) => run(program, args, { env }),
    launch: (program, args, options) => launch(program, args, { ...options, env }),
  };
}
