import type { IdempotenceStore } from '@duobus/core';
import type { InboxHarness } from '../../src/inbox/index.ts';

/** One store for each time that marks are kept: what it opens shares them, as connections to a database would. */
export function memoryHarness(
  make: (options: { readonly keepsForMs?: number | null }) => IdempotenceStore,
): InboxHarness {
  const stores = new Map<unknown, IdempotenceStore>();
  return {
    name: 'memory',
    open: async (options = {}) => {
      const store = stores.get(options.keepsForMs) ?? make(options);
      stores.set(options.keepsForMs, store);
      return { store, close: async () => undefined };
    },
  };
}
