import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { until } from './until.ts';

/** A pid alone may be reused; with its start time it names one process for ever. */
export interface ProcessId {
  readonly pid: number;
  readonly started: string;
}

interface Stat {
  readonly state: string;
  readonly group: number;
  readonly started: string;
}

/** Fields of /proc/PID/stat; the name in the middle may hold spaces and brackets. */
export function parseStat(text: string): Stat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, group, started] = [fields[0], fields[2], fields[19]];
  if (state === undefined || group === undefined || started === undefined) {
    throw new Error(`not a /proc stat line: ${text}`);
  }
  return { state, group: Number(group), started };
}

/** Elsewhere than on Linux only docker's brokers run, and a pid has to do. */
const hasProc = existsSync('/proc/self/stat');

function answers(target: number): boolean {
  try {
    return process.kill(target, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function stat(pid: number): Stat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

export function identify(pid: number): ProcessId {
  return { pid, started: stat(pid)?.started ?? 'gone' };
}

/** A zombie is dead: where pid 1 reaps nothing, it would otherwise live for ever. */
export function isAlive({ pid, started }: ProcessId): boolean {
  if (!hasProc) return answers(pid);
  const now = stat(pid);
  return now !== undefined && now.started === started && now.state !== 'Z';
}

/** Living members of the process group that this leader founded. */
export function groupOf(leader: ProcessId): readonly number[] {
  if (!hasProc) return answers(-leader.pid) ? [leader.pid] : [];
  const now = stat(leader.pid);
  if (now !== undefined && now.started !== leader.started) return []; // the pid is someone else's by now
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      const member = stat(pid);
      return member !== undefined && member.group === leader.pid && member.state !== 'Z';
    });
}

export function signalGroup(leader: ProcessId, signal: NodeJS.Signals): void {
  if (groupOf(leader).length === 0) return;
  try {
    process.kill(-leader.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const groupGone = (leader: ProcessId, timeoutMs: number): Promise<true> =>
  until(() => groupOf(leader).length === 0, {
    timeoutMs,
    what: `process group ${leader.pid} to end`,
  });

export async function killGroup(leader: ProcessId): Promise<void> {
  signalGroup(leader, 'SIGKILL');
  await groupGone(leader, 10_000);
}

/** Asks the leader to end, and only then insists. */
export async function endGroup(leader: ProcessId, graceMs: number): Promise<void> {
  if (groupOf(leader).length === 0) return;
  if (isAlive(leader)) process.kill(leader.pid, 'SIGTERM');
  else signalGroup(leader, 'SIGTERM');
  await groupGone(leader, graceMs).catch(() => killGroup(leader));
}

export interface LaunchOptions {
  readonly logFile: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts a server that outlives this process, as leader of its own process group. */
export function launch(
  command: string,
  args: readonly string[],
  { logFile, ...options }: LaunchOptions,
): ProcessId {
  const log = openSync(logFile, 'a');
  try {
    const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', log, log] });
    child.on('error', () => undefined); // shows as a missing pid, or as an early end with its log
    child.unref();
    if (child.pid === undefined) throw new Error(`cannot start ${command}`);
    return identify(child.pid);
  } finally {
    closeSync(log);
  }
}
