import type { InboxHarness } from '@duobus/conformance/inbox';
import { Redis } from 'ioredis';
import { redisStore } from '../../src/index.ts';

export interface HarnessOptions {
  /** May be set later. */
  url: string;
}

export function inboxHarness(given: unknown): InboxHarness {
  const server = given as HarnessOptions;
  return {
    name: 'redis',
    open: async (options = {}) => {
      const client = new Redis(server.url);
      return {
        store: redisStore(client, options),
        close: async () => void (await client.quit()),
      };
    },
    away: async () => {
      // port 9 is nobody's here; the client goes on trying
      const client = new Redis({ host: '127.0.0.1', port: 9, maxRetriesPerRequest: null });
      client.on('error', () => undefined);
      return {
        store: redisStore(client, { timeoutMs: 200 }),
        close: async () => client.disconnect(),
      };
    },
    processes: { module: import.meta.url, options: server },
  };
}
