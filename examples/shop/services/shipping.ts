import { setTimeout as sleep } from 'node:timers/promises';
import type { Delivery } from '@duobus/core';
import type { Announcer } from '../announcer.ts';
import type { Database } from '../database.ts';
import type { Service } from '../service.ts';
import type { OrderPaid } from '../topics.ts';

const packingMs = 20;

/** Packs a parcel for every order that is paid, which takes its time. */
export class Shipping implements Service {
  static readonly schema = 'create table if not exists parcels (orderId text primary key) strict;';
  readonly #announcer: Announcer;
  readonly #database: Database;

  constructor(announcer: Announcer, database: Database) {
    this.#announcer = announcer;
    this.#database = database;
  }

  get done(): number {
    return this.#database.number('select count(*) from parcels');
  }

  async handle({ orderId, customer }: OrderPaid, { signal }: Delivery): Promise<void> {
    this.#database.counted();
    await sleep(packingMs, undefined, { signal });
    this.#database.run('insert or ignore into parcels values (?)', orderId);
    const shipped = { orderId, customer, parcel: `parcel-${orderId}` };
    const id = `${orderId}-shipped`;
    await this.#announcer.announce('shipped', shipped, { id });
  }
}
