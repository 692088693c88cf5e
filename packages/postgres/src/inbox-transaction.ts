import type { PgClient } from './pool.ts';

const ending =
  /^\s*(?:begin|start\s+transaction|commit|end|abort|prepare\s+transaction|rollback(?!\s+(?:(?:work|transaction)\s+)?to\b))\b/i;

/**
 * The connection as the handler gets it: it cannot end the transaction, give the connection back, or use it when the
 * transaction is over, when it belongs to another.
 */
export class HandlerClient<Client extends PgClient> {
  readonly client: Client;
  #over = false;

  constructor(client: Client) {
    const query = (...args: unknown[]): unknown => {
      this.#check(args[0]);
      return (client.query as (...all: unknown[]) => unknown)(...args);
    };
    this.client = new Proxy(client, {
      get: (target, name): unknown => {
        if (name === 'query') return query.bind(target);
        // libraries that are given it as a pool's give it back after every statement
        if (name === 'release') return () => undefined;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  end(): void {
    this.#over = true;
  }

  #check(statement: unknown): void {
    if (this.#over)
      throw new TypeError(
        'postgresInbox: the transaction is over, its handler has returned or thrown: await every statement in the handler',
      );
    const text =
      typeof statement === 'string' ? statement : (statement as { text?: unknown } | null)?.text;
    if (typeof text === 'string' && ending.test(text))
      throw new TypeError(
        'postgresInbox: a handler cannot begin or end the transaction: it is committed when the handler returns and rolled back when it throws. For a part of it use SAVEPOINT and ROLLBACK TO',
      );
  }
}
