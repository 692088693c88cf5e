import { type Bus, connect, type ConnectTarget } from '@duobus/core';
import { Database } from './database.ts';
import { type Command, type Service, type ServiceName, services } from './services.ts';
import { shopTopics } from './topics.ts';

/** What a service needs to know to start. Plain data: it goes to another process. */
export interface Assignment {
  readonly service: ServiceName;
  readonly target: ConnectTarget;
  readonly run: string;
  /** Where the databases are. */
  readonly folder: string;
  readonly version: number;
}

/** One service with a connection and a database of its own, wherever it runs. */
export class Worker {
  readonly #bus: Bus;
  readonly #database: Database;
  readonly #service: Service;

  private constructor(bus: Bus, database: Database, service: Service) {
    this.#bus = bus;
    this.#database = database;
    this.#service = service;
  }

  static async start({ service, target, run, folder, version }: Assignment): Promise<Worker> {
    const { schema, start } = services[service];
    const bus = await connect(target, { source: `/shop/${service}` });
    try {
      const database = new Database(folder, service, schema);
      const started = await start({ bus, topics: shopTopics(run), database, version });
      return new Worker(bus, database, started);
    } catch (error) {
      await bus.close();
      throw error;
    }
  }

  get done(): number {
    return this.#service.done;
  }

  async carryOut(command: Command): Promise<void> {
    await this.#service.carryOut?.(command);
  }

  /** Returns how much it has done. */
  async close(graceMs?: number): Promise<number> {
    await this.#bus.close(graceMs === undefined ? {} : { graceMs });
    const { done } = this;
    this.#database[Symbol.dispose]();
    return done;
  }
}
