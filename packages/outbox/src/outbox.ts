import {
  type AnyTopic,
  type Attributes,
  BusError,
  type DocumentToPublish,
  type PublishOptions,
  type Topic,
} from '@duobus/core';
import {
  checkOneOf,
  checkOptions,
  checkSource,
  isDocumentToPublish,
  makeEnvelope,
  publishOptionNames,
} from '@duobus/core/envelopes';
import { rowsOf } from './rows.ts';
import type { BusName, NewRow, OutboxLag, OutboxStore, SetAsideReason } from './store.ts';

export interface OutboxOptions {
  /** CloudEvents `source` of everything that is published through this outbox: a URI reference, e.g. '/shop'. Required. */
  readonly source: string;
  /** Which bus documents are for, unless a publish says otherwise. 'both': one row, and one document, for each.
   *  Default 'event'. */
  readonly bus?: BusName | 'both';
}

/** The names of OutboxOptions. */
export const outboxOptionNames: readonly (keyof OutboxOptions)[] = ['source', 'bus'];

/** As those of `publish` of a bus, without `signal`: nothing is waited for that the transaction does not wait for. */
export interface OutboxPublishOptions extends Omit<PublishOptions, 'signal'> {
  /** Which bus this document is for. Default: that of the outbox. */
  readonly bus?: BusName | 'both';
}

/** A document that was set aside, because publishing it was refused for good. */
export interface FailedDocument {
  /** What `retry` and `discard` take. */
  readonly id: string;
  readonly bus: BusName;
  readonly topic: string;
  /** `undefined` where what is stored cannot be read. */
  readonly attributes: Attributes | undefined;
  /** The encoded document. */
  readonly data: Uint8Array;
  /** Code of the BusError, or 'TypeError', and what it said. */
  readonly reason: SetAsideReason;
  /** When it was set aside, in ms since 1970 by the database's clock. */
  readonly failedAt: number;
}

/** Documents that commit with the caller's transaction, and are published afterwards by a relay. */
export interface Outbox<Tx = unknown> {
  /** Where the rows are: what a relay works on. */
  readonly store: OutboxStore<Tx>;
  /**
   * Writes a document inside of the caller's transaction, validated as `publish` of a bus would. Resolves to its id, when
   * the row is inserted; it is published once the transaction has committed, and never if it is rolled back.
   * @throws TypeError for wrong options
   * @throws BusError DUOBUS_INVALID, DUOBUS_TOO_LARGE; DUOBUS_NOT_FOUND before `migrate`
   */
  publish<In>(
    tx: Tx,
    topic: Topic<In, unknown>,
    document: NoInfer<In>,
    options?: OutboxPublishOptions,
  ): Promise<string>;
  /** Writes many, in this order; none where one of them is refused. Resolves to their ids. */
  publishMany<In>(
    tx: Tx,
    topic: Topic<In, unknown>,
    documents: Iterable<NoInfer<In> | DocumentToPublish<NoInfer<In>>>,
    options?: Pick<OutboxPublishOptions, 'cause' | 'bus'>,
  ): Promise<readonly string[]>;
  /** Creates the tables, or brings them up to date. May be called by many processes at once. */
  migrate(): Promise<void>;
  lag(): Promise<OutboxLag>;
  /** The documents that were set aside, oldest first. */
  failed(): AsyncIterable<FailedDocument>;
  /** Puts a document that was set aside back into its place: it is published, then what waits behind it.
   *  @throws BusError DUOBUS_NOT_FOUND */
  retry(id: string): Promise<void>;
  /** Deletes a document that was set aside for good; what waits behind it goes on.
   *  @throws BusError DUOBUS_NOT_FOUND */
  discard(id: string): Promise<void>;
}

/** An outbox in a synchronous database. */
export interface SyncOutbox<Tx = unknown> extends Outbox<Tx> {
  /** As `publish`, and the row is there when it returns. Throws what `publish` rejects with, and a TypeError for a topic
   *  whose schema is asynchronous. */
  publishSync<In>(
    tx: Tx,
    topic: Topic<In, unknown>,
    document: NoInfer<In>,
    options?: OutboxPublishOptions,
  ): string;
  /** As `publishMany`, and the rows are there when it returns. */
  publishManySync<In>(
    tx: Tx,
    topic: Topic<In, unknown>,
    documents: Iterable<NoInfer<In> | DocumentToPublish<NoInfer<In>>>,
    options?: Pick<OutboxPublishOptions, 'cause' | 'bus'>,
  ): readonly string[];
}

/** A store whose `insert` is synchronous. */
export interface SyncOutboxStore<Tx = unknown> extends OutboxStore<Tx> {
  insert(tx: Tx, rows: readonly NewRow[]): void;
}

/** An outbox over a store. @duobus/postgres and @duobus/sqlite have their own.
 *  @throws TypeError for wrong options */
export function createOutbox<Tx>(store: OutboxStore<Tx>, options: OutboxOptions): Outbox<Tx> {
  return new AnyOutbox(store, checked(options));
}

/** An outbox over a store whose database is synchronous. */
export function createSyncOutbox<Tx>(
  store: SyncOutboxStore<Tx>,
  options: OutboxOptions,
): SyncOutbox<Tx> {
  return new OutboxInSync(store, checked(options));
}

function checked(options: OutboxOptions): Required<OutboxOptions> {
  checkOptions('outbox', options, outboxOptionNames);
  const { source, bus = 'event' } = options;
  if (source === undefined)
    throw new TypeError("outbox: source is missing: say who publishes, e.g. { source: '/shop' }");
  checkSource(source);
  checkOneOf('outbox', 'bus', bus, ['event', 'data', 'both']);
  return { source, bus };
}

interface Written {
  readonly id: string;
  readonly rows: readonly NewRow[];
}

class AnyOutbox<Tx> implements Outbox<Tx> {
  readonly store: OutboxStore<Tx>;
  readonly #options: Required<OutboxOptions>;

  constructor(store: OutboxStore<Tx>, options: Required<OutboxOptions>) {
    this.store = store;
    this.#options = options;
  }

  /** With a synchronous schema the row is inserted before this returns: nothing else comes in between. */
  async publish(
    tx: Tx,
    topic: AnyTopic,
    document: unknown,
    options: OutboxPublishOptions = {},
  ): Promise<string> {
    const written = this.write(topic, document, options);
    const { id, rows } = written instanceof Promise ? await written : written;
    await this.store.insert(tx, rows);
    return id;
  }

  async publishMany(
    tx: Tx,
    topic: AnyTopic,
    documents: Iterable<unknown>,
    options: Pick<OutboxPublishOptions, 'cause' | 'bus'> = {},
  ): Promise<readonly string[]> {
    const all = this.writeMany(topic, documents, options);
    const written = await Promise.all(all.map(async (one) => one));
    const rows = written.flatMap((one) => one.rows);
    if (rows.length > 0) await this.store.insert(tx, rows);
    return written.map(({ id }) => id);
  }

  async migrate(): Promise<void> {
    await this.store.migrate();
  }

  lag(): Promise<OutboxLag> {
    return this.store.lag();
  }

  async *failed(): AsyncGenerator<FailedDocument> {
    const page = 100;
    for (let after: string | undefined; ; ) {
      const rows = await this.store.failed(after, page);
      for (const { attributes, row: _, ...rest } of rows)
        yield { ...rest, attributes: readable(attributes) };
      after = rows.at(-1)?.row;
      if (rows.length < page) return;
    }
  }

  retry(id: string): Promise<void> {
    return this.#settle(id, 'retry');
  }

  discard(id: string): Promise<void> {
    return this.#settle(id, 'discard');
  }

  async #settle(id: string, verdict: 'retry' | 'discard'): Promise<void> {
    if (typeof id !== 'string' || id === '')
      throw new TypeError(`outbox.${verdict}: id must be that of a document, as failed() says it`);
    if ((await this.store.settle(id, verdict)) > 0) return;
    throw new BusError(
      'DUOBUS_NOT_FOUND',
      `outbox.${verdict}: no document with id '${id.slice(0, 100)}' is set aside: see outbox.failed()`,
      { context: { id } },
    );
  }

  protected write(
    topic: AnyTopic,
    document: unknown,
    options: OutboxPublishOptions,
  ): Written | Promise<Written> {
    checkOptions('outbox.publish', options, ownOptions);
    const { bus = this.#options.bus, ...rest } = options;
    checkOneOf('outbox.publish', 'bus', bus, ['event', 'data', 'both']);
    const buses: readonly BusName[] = bus === 'both' ? ['event', 'data'] : [bus];
    const made = makeEnvelope(topic, document, rest, this.#options.source);
    if (made instanceof Promise)
      return made.then((envelope) => ({ id: envelope.id, rows: rowsOf(buses, topic, envelope) }));
    return { id: made.id, rows: rowsOf(buses, topic, made) };
  }

  protected writeMany(
    topic: AnyTopic,
    documents: Iterable<unknown>,
    options: Pick<OutboxPublishOptions, 'cause' | 'bus'>,
  ): readonly (Written | Promise<Written>)[] {
    checkOptions('outbox.publishMany', options, ['cause', 'bus']);
    const all: (Written | Promise<Written>)[] = [];
    try {
      for (const entry of documents) {
        const { document, options: own } = isDocumentToPublish(entry)
          ? entry
          : { document: entry, options: undefined };
        all.push(this.write(topic, document, { ...options, ...own }));
      }
    } catch (error) {
      for (const one of all) if (one instanceof Promise) one.catch(() => undefined); // this is told
      throw error;
    }
    return all;
  }
}

class OutboxInSync<Tx> extends AnyOutbox<Tx> implements SyncOutbox<Tx> {
  declare readonly store: SyncOutboxStore<Tx>;

  publishSync(
    tx: Tx,
    topic: AnyTopic,
    document: unknown,
    options: OutboxPublishOptions = {},
  ): string {
    const { id, rows } = inSync(this.write(topic, document, options));
    this.store.insert(tx, rows);
    return id;
  }

  publishManySync(
    tx: Tx,
    topic: AnyTopic,
    documents: Iterable<unknown>,
    options: Pick<OutboxPublishOptions, 'cause' | 'bus'> = {},
  ): readonly string[] {
    const written = this.writeMany(topic, documents, options).map((one) => inSync(one));
    const rows = written.flatMap((one) => one.rows);
    if (rows.length > 0) this.store.insert(tx, rows);
    return written.map(({ id }) => id);
  }

  override async publish(
    tx: Tx,
    topic: AnyTopic,
    document: unknown,
    options?: OutboxPublishOptions,
  ): Promise<string> {
    return this.publishSync(tx, topic, document, options);
  }

  override async publishMany(
    tx: Tx,
    topic: AnyTopic,
    documents: Iterable<unknown>,
    options?: Pick<OutboxPublishOptions, 'cause' | 'bus'>,
  ): Promise<readonly string[]> {
    return this.publishManySync(tx, topic, documents, options);
  }
}

/** While a schema answers, whatever else uses the connection would write into the caller's transaction. */
function inSync(written: Written | Promise<Written>): Written {
  if (!(written instanceof Promise)) return written;
  written.catch(() => undefined); // refused, whatever it would have said
  throw new TypeError(
    'outbox.publish: the schema of this topic is asynchronous, and the database is not: a transaction would stay open while it answers. Give the topic a synchronous schema',
  );
}

const ownOptions = ['bus', ...publishOptionNames.filter((name) => name !== 'signal')];

function readable(attributes: string): Attributes | undefined {
  try {
    return JSON.parse(attributes) as Attributes;
  } catch {
    return undefined; // what made it fail, maybe
  }
}
