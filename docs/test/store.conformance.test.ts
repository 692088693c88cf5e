// #region suite
import { describe, it } from 'node:test';
import { inboxSuite } from '@duobus/conformance/inbox';
import { memoryStore } from '@duobus/core';

describe('the store in memory', () => {
  const stores = new Map<number | null | undefined, ReturnType<typeof memoryStore>>();
  inboxSuite({
    test: it,
    store: {
      name: 'memory',
      // each call has the marks of the others: with a database, each has connections of its own
      open: async ({ keepsForMs } = {}) => {
        const store =
          stores.get(keepsForMs) ?? memoryStore(keepsForMs === undefined ? {} : { keepsForMs });
        stores.set(keepsForMs, store);
        return { store, close: async () => undefined };
      },
    },
  });
});
// #endregion suite
