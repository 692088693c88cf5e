import { type ChildProcess, fork } from 'node:child_process';

/** A process of the module `name` beside the one whose URL this is, be that source or built. Its output is this process's. */
export function forkBeside(url: string, name: string, args: readonly string[] = []): ChildProcess {
  const file = new URL(`./${name}${url.endsWith('.ts') ? '.ts' : '.js'}`, url);
  return fork(file, args, {
    execArgv: process.execArgv.filter(
      (flag) => flag.startsWith('--conditions') || flag.startsWith('--import'),
    ),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}
