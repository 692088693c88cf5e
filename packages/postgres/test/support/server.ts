import { randomUUID } from 'node:crypto';
import { after, before } from 'node:test';
import { type Broker, startBroker } from '@duobus/brokers';
import pg from 'pg';
import { type PostgresInbox, postgresInbox, type PostgresInboxOptions } from '../../src/index.ts';

export interface Server {
  readonly broker: Broker;
  /** Ended when the tests are over. */
  pool(options?: pg.PoolConfig): pg.Pool;
  /** With its table. */
  inbox(pool: pg.Pool, options?: PostgresInboxOptions): Promise<PostgresInbox<pg.PoolClient>>;
  /** Of a table `effects`. */
  effects(containing: string): Promise<readonly string[]>;
}

/** A PostgreSQL of this file's own, with a table of effects. */
export function useServer(): Server {
  let broker: Broker | undefined;
  const pools: pg.Pool[] = [];
  const running = (): Broker => {
    if (broker === undefined) throw new Error('the server is started by the first test');
    return broker;
  };
  const pool = (options: pg.PoolConfig = {}): pg.Pool => {
    const made = new pg.Pool({ connectionString: running().url, ...options });
    made.on('error', () => undefined); // connections that nobody has when the server is ended
    pools.push(made);
    return made;
  };
  before(async () => {
    broker = await startBroker('postgres');
    await pool().query('CREATE TABLE effects (effect text)');
  });
  after(async () => {
    await Promise.all(pools.map((one) => (one.ended ? undefined : one.end())));
    await broker?.stop();
  });
  return {
    get broker() {
      return running();
    },
    pool,
    async inbox(of, options) {
      const inbox = postgresInbox<pg.PoolClient>(of, options);
      await inbox.migrate();
      return inbox;
    },
    async effects(containing) {
      const { rows } = await pool({ max: 1 }).query<{ effect: string }>(
        'SELECT effect FROM effects WHERE position($1 in effect) > 0 ORDER BY effect',
        [containing],
      );
      return rows.map(({ effect }) => effect);
    },
  };
}

export const newKey = (): string => randomUUID();

export const write = async (tx: pg.PoolClient, effect: string): Promise<void> =>
  void (await tx.query('INSERT INTO effects VALUES ($1)', [effect]));

/** Looks again until it is so. */
export async function until(look: () => Promise<boolean> | boolean): Promise<void> {
  for (const over = performance.now() + 30_000; !(await look()); ) {
    if (performance.now() > over) throw new Error('not within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
