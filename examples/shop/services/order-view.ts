import type { Delivery } from '@duobus/core';
import type { Database } from '../database.ts';
import type { Command, Service } from '../service.ts';
import type { JournalEntry } from '../topics.ts';

const states = ['placed', 'paid', 'refused', 'shipped'] as const;
const follows = { placed: undefined, paid: 'placed', refused: 'placed', shipped: 'paid' } as const;

/** A read model: where every order is, as far as the journal was read. It can be built anew beside the one in use. */
export class OrderView implements Service {
  static readonly schema = `
    create table if not exists orders (version integer not null, orderId text not null,
      customer text not null, state text not null, primary key (version, orderId)) strict;
    create table if not exists seen (version integer not null, orderId text not null,
      what text not null, inOrder integer not null, primary key (version, orderId, what)) strict;
    create table if not exists staleness (ms real not null) strict;`;
  readonly #database: Database;
  #version = 1;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Entries of the journal that are in it. */
  get done(): number {
    return this.#database.number('select count(*) from seen where version = ?', this.#version);
  }

  /** After 'rebuild' what is handled goes to a new one. */
  async carryOut(command: Command): Promise<void> {
    if (command.do === 'rebuild') this.#version += 1;
  }

  handle(entry: JournalEntry, { attributes, cause }: Delivery): void {
    this.#database.transaction(() => {
      this.#database.counted();
      this.#apply(entry);
    });
    // of a repetition and a replay it says nothing
    if (cause === 'first' && this.#version === 1)
      this.#database.run(
        'insert into staleness values (?)',
        Date.now() - Date.parse(attributes['time'] ?? ''),
      );
  }

  #apply({ what, orderId, customer }: JournalEntry): void {
    const version = this.#version;
    const before = this.#database.rows(
      'select state from orders where version = ? and orderId = ?',
      version,
      orderId,
    )[0]?.['state'];
    const isNew = this.#database.run(
      'insert or ignore into seen values (?, ?, ?, ?)',
      version,
      orderId,
      what,
      before === follows[what] ? 1 : 0,
    );
    if (isNew === 0 || states.indexOf(what) < states.indexOf(before as 'placed')) return;
    this.#database.run(
      'insert or replace into orders values (?, ?, ?, ?)',
      version,
      orderId,
      customer,
      what,
    );
  }
}
