import { type Broker, startBroker } from '@duobus/brokers';
import pg from 'pg';

/** A PostgreSQL of this file's own. */
export interface Database extends AsyncDisposable {
  readonly broker: Broker;
  /** A pool on it; ended with the database. */
  pool(options?: pg.PoolConfig): pg.Pool;
  /** A schema that no other test uses. */
  schema(): string;
}

export async function startDatabase(): Promise<Database> {
  const broker = await startBroker('postgres');
  const pools: pg.Pool[] = [];
  let schemas = 0;
  const pool = (options: pg.PoolConfig = {}): pg.Pool => {
    const made = new pg.Pool({ connectionString: broker.url, max: 8, ...options });
    // a pool whose idle connection breaks says so; whoever uses it next is told
    made.on('error', () => undefined);
    pools.push(made);
    return made;
  };
  return {
    broker,
    pool,
    schema: () => `test_${(schemas += 1)}`,
    async [Symbol.asyncDispose]() {
      await Promise.all(pools.map((one) => one.end()));
      await broker.stop();
    },
  };
}

/** Runs work in a transaction; what it throws rolls back, and is thrown. */
export async function inTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}
