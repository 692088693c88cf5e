import { setTimeout as sleep } from 'node:timers/promises';
import type { Break } from './memory-outbox.ts';

/** A store with one fault, and the case that has to find it. */
interface OutboxMutant {
  readonly name: string;
  readonly killedBy: string;
  readonly breakIt: Break;
  /** It claims to have tables. */
  readonly tables?: true;
}

const none = async (): Promise<void> => undefined;

export const outboxMutants: readonly OutboxMutant[] = [
  {
    name: 'says nothing of missing tables',
    killedBy: 'migration',
    tables: true,
    breakIt: () => ({}),
  },
  {
    name: 'reads the last first',
    killedBy: 'commit',
    breakIt: (store) => ({
      read: async (fence, request) => {
        const { rows, more } = await store.read(fence, request);
        return { rows: rows.toReversed(), more };
      },
    }),
  },
  {
    name: 'takes bytes for text',
    killedBy: 'commit',
    breakIt: (store) => ({
      insert: (tx, rows) =>
        store.insert(
          tx,
          rows.map((row) => ({ ...row, data: Buffer.from(Buffer.from(row.data).toString()) })),
        ),
    }),
  },
  {
    name: 'inserts outside of the transaction',
    killedBy: 'rollback',
    breakIt: (store) => ({
      insert: (tx, rows) => {
        void store.insert(tx, rows);
        tx.commit();
      },
    }),
  },
  {
    name: 'passes over what commits late',
    killedBy: 'late-commit',
    breakIt: (store) => {
      let seen = false;
      return {
        read: async (fence, request) => {
          const batch = await store.read(fence, request);
          if (seen) return { rows: [], more: false };
          seen = batch.rows.length > 0;
          return batch;
        },
      };
    },
  },
  {
    name: 'reads everything at once',
    killedBy: 'bounds',
    breakIt: (store) => ({
      read: (fence, request) => store.read(fence, { ...request, rows: 1e9, bytes: 1e12 }),
    }),
  },
  {
    name: 'never says that there is more',
    killedBy: 'bounds',
    breakIt: (store) => ({
      read: async (...given) => ({ ...(await store.read(...given)), more: false }),
    }),
  },
  {
    name: 'reads again what is held',
    killedBy: 'held',
    breakIt: (store) => ({
      read: (fence, request) => store.read(fence, { ...request, heldRows: [] }),
    }),
  },
  {
    name: 'reads of lanes that are left out',
    killedBy: 'held',
    breakIt: (store) => ({
      read: (fence, request) => store.read(fence, { ...request, heldLanes: [] }),
    }),
  },
  {
    name: 'forgets to delete the last of many',
    killedBy: 'removal',
    breakIt: (store) => ({ remove: (fence, rows) => store.remove(fence, rows.slice(0, 1_000)) }),
  },
  {
    name: 'counts what is set aside as waiting',
    killedBy: 'lag',
    breakIt: (store) => ({
      lag: async () => {
        const lag = await store.lag();
        return { ...lag, rows: lag.rows + lag.setAside };
      },
    }),
  },
  {
    name: 'has no age',
    killedBy: 'lag',
    breakIt: (store) => ({ lag: async () => ({ ...(await store.lag()), ms: 0 }) }),
  },
  {
    name: 'does not tell of new rows',
    killedBy: 'listen',
    breakIt: (store) => ({
      listen: (wake, signal) => {
        let told = false;
        return store.listen(() => {
          if (!told) wake('rows');
          told = true;
        }, signal);
      },
    }),
  },
  {
    name: 'gives the lease to everybody',
    killedBy: 'one-owner',
    breakIt: (store) => ({ acquire: (_owner, leaseMs) => store.acquire('the same', leaseMs) }),
  },
  {
    name: 'asks, waits, and takes the lease',
    killedBy: 'one-owner',
    breakIt: (store) => {
      let taken = false;
      return {
        acquire: async (_owner, leaseMs) => {
          if (taken) return undefined;
          await sleep(1);
          taken = true;
          return store.acquire('the same', leaseMs);
        },
      };
    },
  },
  { name: 'keeps the lease for ever', killedBy: 'release', breakIt: () => ({ release: none }) },
  {
    name: 'forgets to count fences',
    killedBy: 'own-lease',
    breakIt: (store) => ({
      acquire: async (...given) => ((await store.acquire(...given)) === undefined ? undefined : 1),
    }),
  },
  {
    name: 'deletes for anybody',
    killedBy: 'expiry',
    breakIt: (store) => {
      let last = 0;
      return {
        acquire: async (...given) => {
          const fence = await store.acquire(...given);
          last = fence ?? last;
          return fence;
        },
        remove: async (_fence, rows) => store.remove(last, rows),
      };
    },
  },
  {
    name: 'never lets a lease run out',
    killedBy: 'expiry',
    breakIt: (store) => ({
      acquire: (owner, leaseMs) => store.acquire(owner, leaseMs + 3_600_000),
    }),
  },
  {
    name: 'prolongs nothing',
    killedBy: 'renewal',
    breakIt: () => ({ renew: async () => true }),
  },
  {
    name: 'gives up a lease that has run out',
    killedBy: 'run-out',
    breakIt: () => ({ renew: async () => false }),
  },
  {
    name: 'sets aside what is no longer known',
    killedBy: 'set-aside',
    breakIt: (store) => ({ setAside: async (fence, row) => store.remove(fence, [row]) }),
  },
  {
    name: 'forgets why',
    killedBy: 'set-aside',
    breakIt: (store) => ({
      setAside: async (fence, row) => store.setAside(fence, row, { code: '', message: '' }),
    }),
  },
  {
    name: 'lists the first page for ever',
    killedBy: 'listing',
    breakIt: (store) => {
      let pages = 0;
      return {
        failed: (_after, limit) => store.failed(undefined, (pages += 1) > 3 ? 0 : limit),
      };
    },
  },
  {
    name: 'discards what is to be retried',
    killedBy: 'retry',
    breakIt: (store) => ({ settle: (id) => store.settle(id, 'discard') }),
  },
  {
    name: 'retries what is to be discarded',
    killedBy: 'discard',
    breakIt: (store) => ({ settle: (id) => store.settle(id, 'retry') }),
  },
  {
    name: 'frees a lane in which another is set aside',
    killedBy: 'second-aside',
    breakIt: (store) => ({
      settle: async (id, verdict) => {
        const count = await store.settle(id, verdict);
        for (const { id: other } of await store.failed(undefined, 10))
          await store.settle(other, verdict);
        return count;
      },
    }),
  },
  {
    name: 'looks no further than those that wait behind',
    killedBy: 'many-behind',
    breakIt: (store) => ({
      read: async (fence, request) =>
        (await store.lag()).behind > request.rows
          ? { rows: [], more: false }
          : store.read(fence, request),
    }),
  },
];
