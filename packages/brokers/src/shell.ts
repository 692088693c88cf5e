import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** What is done to the machine is said first. */
export const announce = (line: string): void => {
  process.stderr.write(`[brokers] ${line}\n`);
};

/** Runs to the end and returns stdout; a failure carries what the command said. */
export async function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  try {
    const { stdout } = await exec(command, args, { ...options, maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    const {
      stdout = '',
      stderr = '',
      code,
    } = error as { stdout?: string; stderr?: string; code?: unknown };
    const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-15).join('\n');
    throw new Error(
      `${command} ${args.slice(0, 4).join(' ')} ... failed (${String(code)}):\n${said}`,
      {
        cause: error,
      },
    );
  }
}

export function onPath(command: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(folder, command);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not here
    }
  }
  return undefined;
}

export async function succeeds(
  command: string,
  args: readonly string[],
  timeoutMs: number = 5_000,
): Promise<boolean> {
  return exec(command, args, { timeout: timeoutMs }).then(
    () => true,
    () => false,
  );
}
