import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { until } from './until.ts';

/** A pid alone may be reused; with its start time it names one process for ever. */
export interface ProcessId {
  readonly pid: number;
  readonly started: string;
  /** The signal it ends gracefully on, where that is not SIGTERM. */
  readonly endsOn?: NodeJS.Signals;
}

interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly threads: number;
  readonly started: string;
  readonly cpuMs: number;
  readonly rssBytes: number;
}

/** proc_pid_stat(5): ticks are of 10 ms and pages of 4 KiB wherever brokers are started by us. */
const tickMs = 10;
const pageBytes = 4_096;

/** Fields of /proc/PID/stat; the name in the middle may hold spaces and brackets. */
export function parseStat(text: string): Stat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parent, group] = fields;
  const [threads, started] = [fields[17], fields[19]];
  if (state === undefined || group === undefined || started === undefined) {
    throw new Error(`not a /proc stat line: ${text}`);
  }
  return {
    state,
    parent: Number(parent),
    group: Number(group),
    threads: Number(threads),
    started,
    cpuMs: (Number(fields[11]) + Number(fields[12])) * tickMs,
    rssBytes: Number(fields[21]) * pageBytes,
  };
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

/**
 * A zombie is dead: where pid 1 reaps nothing, it would otherwise live for ever. But while threads are left, and the
 * JVM has many, its sockets are still open.
 */
const isDead = ({ state, threads }: Stat): boolean => state === 'Z' && threads <= 1;

export function isAlive({ pid, started }: ProcessId): boolean {
  if (!hasProc) return answers(pid);
  const now = stat(pid);
  return now !== undefined && now.started === started && !isDead(now);
}

/** Living members of the process group that this leader founded, and descendants that have left it. */
export function groupOf(leader: ProcessId): readonly number[] {
  if (!hasProc) return answers(-leader.pid) ? [leader.pid] : [];
  const now = stat(leader.pid);
  if (now !== undefined && now.started !== leader.started) return []; // the pid is someone else's by now
  const living = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .flatMap((pid) => {
      const about = stat(pid);
      return about === undefined || isDead(about) ? [] : [{ pid, ...about }];
    });
  const members = new Set<number>();
  let grown = living.filter(({ group }) => group === leader.pid);
  // each server process of PostgreSQL founds a group of its own
  while (grown.length > 0) {
    for (const { pid } of grown) members.add(pid);
    grown = living.filter(({ pid, parent }) => members.has(parent) && !members.has(pid));
  }
  return [...members];
}

/** What a server has cost so far. */
export interface Usage {
  /** Of the processes that are alive. */
  readonly cpuMs: number;
  readonly rssBytes: number;
}

/** Of all members of the groups. Linux only: elsewhere it is nothing. */
export function usageOf(leaders: readonly ProcessId[]): Usage {
  const stats = leaders.flatMap(groupOf).flatMap((pid) => stat(pid) ?? []);
  return {
    cpuMs: stats.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    rssBytes: stats.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
  };
}

function signal(target: number, name: NodeJS.Signals): void {
  try {
    process.kill(target, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** To the group at once, and then to those that have left it. */
export function signalGroup(leader: ProcessId, name: NodeJS.Signals): void {
  const members = groupOf(leader);
  if (members.length > 0) signal(-leader.pid, name);
  for (const pid of members) if (stat(pid)?.group !== leader.pid) signal(pid, name);
}

/** Whether none of its threads runs any more. */
function isStopped(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) =>
      /^[TtZX]$/.test(parseStat(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')).state),
    );
  } catch {
    return stat(pid) === undefined; // a thread has ended meanwhile, or all have
  }
}

const ticking = new Int32Array(new SharedArrayBuffer(4));

/** SIGSTOP to the group. Threads stop when they next run, so a busy machine's may still answer for a while: nobody does
 *  any more when this returns. */
export function freezeGroup(leader: ProcessId): void {
  signalGroup(leader, 'SIGSTOP');
  if (!hasProc) return;
  for (const pid of groupOf(leader)) while (!isStopped(pid)) Atomics.wait(ticking, 0, 0, 1);
}

const membersOf = (leader: ProcessId): readonly ProcessId[] => groupOf(leader).map(identify);

/** Those that have left the group are found through their parents, so before these end. */
const allGone = (
  leader: ProcessId,
  members: readonly ProcessId[],
  timeoutMs: number,
): Promise<true> =>
  until(() => groupOf(leader).length === 0 && !members.some(isAlive), {
    timeoutMs,
    what: `process group ${leader.pid} to end`,
  });

async function kill(leader: ProcessId, members: readonly ProcessId[]): Promise<void> {
  signalGroup(leader, 'SIGKILL');
  for (const member of members) if (isAlive(member)) signal(member.pid, 'SIGKILL');
  await allGone(leader, members, 10_000);
}

export const killGroup = (leader: ProcessId): Promise<void> => kill(leader, membersOf(leader));

/** Asks the leader to end, and only then insists. */
export async function endGroup(leader: ProcessId, graceMs: number): Promise<void> {
  const members = membersOf(leader);
  if (members.length === 0) return;
  const name = leader.endsOn ?? 'SIGTERM';
  if (isAlive(leader)) signal(leader.pid, name);
  else signalGroup(leader, name);
  await allGone(leader, members, graceMs).catch(() => kill(leader, members));
}

export interface LaunchOptions {
  readonly logFile: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly endsOn?: NodeJS.Signals;
}

/** Starts a server that outlives this process, as leader of its own process group. */
export function launch(
  command: string,
  args: readonly string[],
  { logFile, endsOn, ...options }: LaunchOptions,
): ProcessId {
  const log = openSync(logFile, 'a');
  try {
    const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', log, log] });
    child.on('error', () => undefined); // shows as a missing pid, or as an early end with its log
    child.unref();
    if (child.pid === undefined) throw new Error(`cannot start ${command}`);
    return { ...identify(child.pid), ...(endsOn === undefined ? {} : { endsOn }) };
  } finally {
    closeSync(log);
  }
}
