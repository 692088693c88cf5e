import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Command } from './service.ts';
import { type Assignment, Worker } from './worker.ts';

/** A service, as seen by who runs the shop. */
export interface Employee {
  /** How much it has done in all its lives, as far as it has told. */
  readonly done: number;
  carryOut(command: Command): Promise<void>;
  /** Ends it in the middle of its work. */
  kill(): Promise<void>;
  /** Lets it finish what it is doing. */
  stop(): Promise<void>;
}

export type Hire = (assignment: Assignment) => Promise<Employee>;

/** What a service's process is told. */
export type Order =
  | { readonly call: number; readonly start: Assignment }
  | { readonly call: number; readonly command: Command }
  | { readonly stop: true };
/** What it answers, and what it tells by itself. */
export type Report =
  | { readonly call: number; readonly failed?: string }
  | { readonly done: number };

/** In this process, for a broker that lives in it: there it can only be cut off. */
export async function hireHere(assignment: Assignment): Promise<Employee> {
  const worker = await Worker.start(assignment);
  let end: number | undefined;
  return {
    get done() {
      return end ?? worker.done;
    },
    carryOut: (command) => worker.carryOut(command),
    async kill() {
      end = await worker.cutOff();
    },
    async stop() {
      end = await worker.stop();
    },
  };
}

/** As a process of its own. */
export async function hireProcess(assignment: Assignment): Promise<Employee> {
  const child = fork(new URL('process.ts', import.meta.url), { execArgv: process.execArgv });
  const employee = new Remote(assignment.service, child);
  try {
    await employee.start(assignment);
  } catch (error) {
    await employee.kill();
    throw error;
  }
  return employee;
}

class Remote implements Employee {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #calls = new Map<number, (failed: string | undefined) => void>();
  #done = 0;
  #last = 0;

  constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    this.#exited = once(child, 'exit').then(([code, signal]) => {
      for (const answer of this.#calls.values()) answer(`it ended with ${String(code ?? signal)}`);
      return code;
    });
    child.on('message', (report: Report) => this.#hear(report));
  }

  get done(): number {
    return this.#done;
  }

  start(assignment: Assignment): Promise<void> {
    return this.#ask((call) => ({ call, start: assignment }));
  }

  carryOut(command: Command): Promise<void> {
    return this.#ask((call) => ({ call, command }));
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  async stop(): Promise<void> {
    this.#child.send({ stop: true } satisfies Order);
    const code = await this.#exited;
    if (code !== 0) throw new Error(`${this.#name} did not end well: ${String(code)}`);
  }

  async #ask(orderOf: (call: number) => Order): Promise<void> {
    this.#last += 1;
    const call = this.#last;
    const answer = new Promise<string | undefined>((resolve) => this.#calls.set(call, resolve));
    this.#child.send(orderOf(call));
    const failed = await answer;
    this.#calls.delete(call);
    if (failed !== undefined) throw new Error(`${this.#name}: ${failed}`);
  }

  #hear(report: Report): void {
    if ('done' in report) this.#done = report.done;
    else this.#calls.get(report.call)?.(report.failed);
  }
}
