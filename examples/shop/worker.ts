import type { Bus, ConnectTarget } from '@duobus/core';
import { Database } from './database.ts';
import type { Command, Service, ServiceName } from './service.ts';
import { schemas, wire } from './wiring.ts';
import { wireWithInversify } from './wiring-inversify.ts';

/** What a service needs to know to start. Plain data: it goes to another process. */
export interface Assignment {
  readonly service: ServiceName;
  readonly target: ConnectTarget;
  readonly run: string;
  /** Where the databases are. */
  readonly folder: string;
  /** Of analytics: 1 has a bug. */
  readonly version: number;
  /** Who puts its parts together. */
  readonly wiring: 'plain' | 'inversify';
}

/** A service with what it is made of. */
export interface Wired {
  readonly bus: Bus;
  readonly service: Service;
  /** Lets it finish what it is doing. */
  close(): Promise<void>;
}

/** One service with a connection and a database of its own, wherever it runs. */
export class Worker {
  readonly #wired: Wired;
  readonly #database: Database;

  private constructor(wired: Wired, database: Database) {
    this.#wired = wired;
    this.#database = database;
  }

  static async start(assignment: Assignment): Promise<Worker> {
    const { folder, service, wiring } = assignment;
    const database = new Database(folder, service, schemas[service]);
    try {
      const put = wiring === 'inversify' ? wireWithInversify : wire;
      return new Worker(await put(assignment, database), database);
    } catch (error) {
      database[Symbol.dispose]();
      throw error;
    }
  }

  get done(): number {
    return this.#wired.service.done;
  }

  async carryOut(command: Command): Promise<void> {
    await this.#wired.service.carryOut?.(command);
  }

  /** Returns how much it has done. */
  async stop(): Promise<number> {
    await this.#wired.close();
    const { done } = this;
    this.#database[Symbol.dispose]();
    return done;
  }

  /** As `stop`, but whatever is under way is cut off. */
  async cutOff(): Promise<number> {
    await this.#wired.bus.close({ graceMs: 0 });
    return this.stop();
  }
}
