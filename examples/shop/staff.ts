import type { Employee, Hire } from './employee.ts';
import type { Command, ServiceName } from './service.ts';
import type { Assignment } from './worker.ts';

const showEveryMs = 500;

/** All services that are at work, and how far they are. */
export class Staff implements AsyncDisposable {
  readonly #hire: Hire;
  readonly #where: Omit<Assignment, 'service' | 'version'>;
  readonly #employees = new Map<ServiceName, Employee>();
  readonly #away = new Set<ServiceName>();
  readonly #showing: NodeJS.Timeout;
  #shown = '';

  constructor(hire: Hire, where: Omit<Assignment, 'service' | 'version'>) {
    this.#hire = hire;
    this.#where = where;
    this.#showing = setInterval(() => this.#show(), showEveryMs);
  }

  async hire(service: ServiceName, version = 1): Promise<void> {
    this.#employees.set(service, await this.#hire({ ...this.#where, service, version }));
    this.#away.delete(service);
  }

  done(service: ServiceName): number {
    return this.#employees.get(service)?.done ?? 0;
  }

  async tell(service: ServiceName, command: Command): Promise<void> {
    await this.#employees.get(service)?.carryOut(command);
  }

  async kill(service: ServiceName): Promise<void> {
    this.#away.add(service);
    await this.#employees.get(service)?.kill();
  }

  async stop(service: ServiceName): Promise<void> {
    this.#away.add(service);
    await this.#employees.get(service)?.stop();
  }

  /** All that are at work finish what they are doing. */
  async stopAll(): Promise<void> {
    const names = [...this.#employees.keys()].filter((name) => !this.#away.has(name));
    await Promise.all(names.map((name) => this.stop(name)));
    this.#show();
  }

  /** Ends whoever is left, whatever has happened. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#showing);
    const names = [...this.#employees.keys()].filter((name) => !this.#away.has(name));
    await Promise.all(names.map((name) => this.kill(name)));
  }

  #show(): void {
    const line = [...this.#employees]
      .map(([name, { done }]) => `${name} ${done}${this.#away.has(name) ? ' (away)' : ''}`)
      .join('  ');
    if (line !== this.#shown) console.log(`     . ${line}`);
    this.#shown = line;
  }
}
