import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readEventLogs } from './event-log.ts';
import { type Life, nowMs, type Sighting } from './sighting.ts';
import type { Said, Task } from './worker.ts';

const worker = fileURLToPath(new URL('worker.ts', import.meta.url));
const leaveWithinMs = 60_000;

export type WorkerTask = Omit<Task, 'process' | 'log'>;

/** One consumer process. */
export interface Consumer {
  readonly life: Life;
  /** Resolves when it has subscribed, rejects when it ends before. */
  readonly ready: Promise<void>;
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>;
  isGone(): boolean;
  kill9(): Promise<void>;
  /** Closes cleanly. */
  leave(): Promise<void>;
}

/** Starts consumer processes and keeps what they log. */
export class Consumers {
  readonly lives: Life[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'duobus-faults-'));
  readonly #logs: string[] = [];
  readonly #alive = new Set<Consumer>();

  start(task: WorkerTask): Consumer {
    const name = `consumer-${this.lives.length + 1}`;
    const log = join(this.#folder, name);
    this.#logs.push(log);
    const life: Life = { process: name, endMs: undefined, how: undefined };
    this.lives.push(life);
    const child = fork(worker, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.send({ ...task, process: name, log } satisfies Task);
    const consumer = consumerOf(child, life);
    this.#alive.add(consumer);
    void consumer.gone.then(() => this.#alive.delete(consumer));
    return consumer;
  }

  /** What all processes have logged so far, in the order of time. */
  sightings(): Sighting[] {
    return readEventLogs(this.#logs.filter((path) => existsSync(path)));
  }

  sightingsOf({ life }: Consumer): Sighting[] {
    const log = join(this.#folder, life.process);
    return existsSync(log) ? readEventLogs([log]) : [];
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#alive].map((consumer) => consumer.kill9()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function consumerOf(child: ChildProcess, life: Life): Consumer {
  let isGone = false;
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => {
      isGone = true;
      // an end nobody asked for: the document has killed it
      life.endMs ??= nowMs();
      life.how ??= 'killed';
      resolve();
    });
  });
  const ready = new Promise<void>((resolve, reject) => {
    child.on('message', (said: Said) => {
      if (said.type === 'ready') resolve();
    });
    child.once('exit', (code, signal) =>
      reject(new Error(`${life.process} ended before it was ready (${signal ?? code})`)),
    );
  });
  // whoever does not wait for it is not interested in how it ends
  ready.catch(() => undefined);
  const kill9 = async (): Promise<void> => {
    if (!isGone) {
      life.endMs ??= nowMs();
      life.how = 'killed';
      child.kill('SIGKILL');
    }
    await gone;
  };
  const leave = async (): Promise<void> => {
    if (!isGone && child.connected) {
      life.endMs = nowMs();
      life.how = 'left';
      child.send('leave');
    }
    const late = setTimeout(() => void kill9(), leaveWithinMs);
    await gone;
    clearTimeout(late);
  };
  return { life, ready, gone, isGone: () => isGone, kill9, leave };
}
