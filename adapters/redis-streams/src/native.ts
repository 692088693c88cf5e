import type { Client } from './client.ts';
import type { Connection } from './connection.ts';

/** What `native` is: the ioredis clients of one half of a bus. `undefined` before the first connection; another one
 *  after each loss of it. */
export interface RedisNative {
  /** What publishes. */
  readonly publishing: Client | undefined;
  /** Everything else. */
  readonly commands: Client | undefined;
}

export function nativeOf(connection: Connection): RedisNative {
  return {
    get publishing() {
      return connection.client('publishing');
    },
    get commands() {
      return connection.client('commands');
    },
  };
}
