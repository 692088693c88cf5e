import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { forkBeside } from '../fork-beside.ts';
import type { Job, Report } from './protocol.ts';

/** A process that does effects over the same marks. */
export class Child {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #hear: (report: Report) => void;
  #failure: string | undefined;
  #isOver = false;
  #killed = false;
  readonly #wakes = new Set<() => void>();
  readonly #heard = new Set<Report['what']>();

  constructor(job: Job, hear: (report: Report) => void) {
    this.#hear = hear;
    this.#child = forkBeside(import.meta.url, 'child');
    this.#exited = once(this.#child, 'exit').then(() => this.#wake());
    this.#child.on('disconnect', () => this.#wake());
    this.#child.on('message', (message) => this.#note(message as Report));
    this.#child.send(job);
  }

  #note(report: Report): void {
    if (report.what === 'failed') this.#failure = report.message;
    if (report.what === 'over') this.#isOver = true;
    this.#heard.add(report.what);
    this.#hear(report);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakes) wake();
  }

  /** Resolves when it has said so; rejects when it ends before. */
  async heard(what: Report['what']): Promise<void> {
    while (!this.#heard.has(what)) {
      if (this.#failure !== undefined) throw new Error(`a child process failed: ${this.#failure}`);
      if (this.#killed) return;
      // what it has said may come after its exit
      if (!this.#child.connected && this.#child.exitCode !== null)
        throw new Error(`a child process has ended by itself: ${this.#child.exitCode}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#wakes.delete(wake);
          resolve();
        };
        this.#wakes.add(wake);
      });
    }
  }

  /** To one that waits. */
  go(): void {
    this.#child.send('go');
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** SIGKILL: nothing is rolled back by the process itself. */
  async kill(): Promise<void> {
    this.#killed = true;
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
