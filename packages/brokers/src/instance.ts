import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dockerDown } from './docker.ts';
import { runFolder } from './paths.ts';
import { endGroup, isAlive, killGroup, type ProcessId } from './processes.ts';
import { allRecords, type InstanceRecord } from './record.ts';
import { until } from './until.ts';

const readyWithinMs = 120_000;

function tail(file: string | undefined): string {
  if (file === undefined || !existsSync(file)) return '';
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-20).join('\n');
}

/** What is waited for: something that answers, the processes that must not end meanwhile, their log. */
export interface Awaited {
  readonly handshake: () => Promise<string>;
  readonly processes?: () => readonly ProcessId[];
  readonly logFile?: string;
}

/** Waits for a handshake; a server that ended meanwhile is an error at once, with its last words. */
export async function untilReady(
  name: string,
  { handshake, processes = () => [], logFile }: Awaited,
): Promise<string> {
  let last: unknown;
  const attempt = async (): Promise<string | undefined> => {
    const dead = processes().find((process) => !isAlive(process));
    if (dead !== undefined) {
      throw new Error(`${name} ended while starting (pid ${dead.pid}):\n${tail(logFile)}`);
    }
    return handshake().catch((error: unknown) => {
      last = error;
      return undefined;
    });
  };
  return until(attempt, {
    timeoutMs: readyWithinMs,
    what: `${name} to answer`,
    everyMs: 100,
  }).catch((error: unknown) => {
    const said = last === undefined ? '' : ` (last: ${String(last)})`;
    throw new Error(`${String(error)}${said}\n${tail(logFile)}`, { cause: last });
  });
}

/** Graceful: each gets to say goodbye, in the order they were started. */
export async function endProcesses(
  processes: readonly ProcessId[],
  graceMs: number = 30_000,
): Promise<void> {
  for (const process of processes) await endGroup(process, graceMs);
}

export async function killProcesses(processes: readonly ProcessId[]): Promise<void> {
  await Promise.all(processes.map(killGroup));
}

export const lives = ({ processes }: InstanceRecord): boolean =>
  processes.every((leader) => isAlive(leader));

/** Ends an instance and forgets its data. */
export async function removeInstance(record: InstanceRecord): Promise<void> {
  if (record.recipe === 'docker') await dockerDown(record.name);
  // a private instance whose owner is gone has nobody left to say goodbye to
  else if (record.owner !== undefined) await killProcesses(record.processes);
  // the data goes anyway: this is for those who are connected, and no cluster waits for its quorum
  else await Promise.all(record.processes.map((process) => endGroup(process, 5_000)));
  rmSync(runFolder(record.name), { recursive: true, force: true });
}

/** Ends private instances whose owner died without stopping them. */
export async function sweep(): Promise<readonly string[]> {
  const orphans = allRecords().filter(({ owner }) => owner !== undefined && !isAlive(owner));
  await Promise.all(orphans.map(removeInstance));
  return orphans.map(({ name }) => name);
}
