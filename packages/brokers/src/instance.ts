import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dockerDown } from './docker.ts';
import { runFolder } from './paths.ts';
import { endGroup, isAlive, killGroup, type ProcessId } from './processes.ts';
import { logFileOf } from './provision.ts';
import { allRecords, type InstanceRecord } from './record.ts';
import type { Server } from './server.ts';
import { until } from './until.ts';

const readyWithinMs = 120_000;

function tail(name: string): string {
  const file = logFileOf(name);
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  return lines.slice(-20).join('\n');
}

/** Waits for a handshake; a server that ended meanwhile is an error at once, with its last words. */
export async function untilReady(
  name: string,
  server: Pick<Server, 'handshake'>,
  processes: readonly ProcessId[],
): Promise<string> {
  let last: unknown;
  const attempt = async (): Promise<string | undefined> => {
    const dead = processes.find((process) => !isAlive(process));
    if (dead !== undefined) {
      throw new Error(`${name} ended while starting (pid ${dead.pid}):\n${tail(name)}`);
    }
    return server.handshake().catch((error: unknown) => {
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
    throw new Error(`${String(error)}${said}\n${tail(name)}`, { cause: last });
  });
}

/** Graceful: each broker gets to say goodbye, in the order they were started. */
export async function endProcesses(processes: readonly ProcessId[]): Promise<void> {
  for (const process of processes) await endGroup(process, 30_000);
}

export async function killProcesses(processes: readonly ProcessId[]): Promise<void> {
  await Promise.all(processes.map(killGroup));
}

export const lives = ({ processes }: InstanceRecord): boolean =>
  processes.every((leader) => isAlive(leader));

/** Ends an instance and forgets its data. */
export async function removeInstance(record: InstanceRecord): Promise<void> {
  if (record.recipe === 'docker') await dockerDown(record.name);
  // a private instance whose owner is gone has nobody left to lose data
  else if (record.owner !== undefined) await killProcesses(record.processes);
  else await endProcesses(record.processes);
  rmSync(runFolder(record.name), { recursive: true, force: true });
}

/** Ends private instances whose owner died without stopping them. */
export async function sweep(): Promise<readonly string[]> {
  const orphans = allRecords().filter(({ owner }) => owner !== undefined && !isAlive(owner));
  await Promise.all(orphans.map(removeInstance));
  return orphans.map(({ name }) => name);
}
