import { expect, expectRefused, expectSame, numbers } from '../expect.ts';
import type { OutboxCase } from './outbox-case.ts';
import { read, rowWith, until, write } from './stage.ts';

const leaseMs = 60_000;
const ids = (from: number, count: number): string[] => numbers(from, count).map(String);

const commit: OutboxCase = {
  name: 'commit',
  async run(stage) {
    const data = Uint8Array.from([0, 255, 10, 39, 92, 128]);
    const attributes = JSON.stringify({ id: 'b', subject: `it's "ü" \\ 😀 $1 %s` });
    const whole = rowWith('b', { bus: 'data', topic: 't.x', lane: 'lane', data, attributes });
    await write(stage, [rowWith('a'), whole, rowWith('a'), rowWith('c')]);
    const fence = await stage.store.acquire('me', leaseMs);
    const { rows } = await stage.store.read(fence ?? 0, {
      rows: 10,
      bytes: 10_000,
      heldRows: [],
      heldLanes: [],
    });
    expectSame(
      rows.map(({ id }) => id),
      ['a', 'b', 'a', 'c'],
      'what is read, in the order of writing',
    );
    const { row, data: got, ...rest } = rows[1] ?? { row: '', data: new Uint8Array() };
    const { data: _, ...written } = whole;
    expectSame(sortedEntries(rest), sortedEntries(written), 'the row that is read');
    expectSame([...got], [...data], 'the bytes that are read');
    expect(new Set(rows.map((one) => one.row)).size === 4, 'every row to have a name of its own');
    expect(row !== '', 'the row to have a name');
  },
};

const rollback: OutboxCase = {
  name: 'rollback',
  async run(stage) {
    const fence = (await stage.store.acquire('me', leaseMs)) ?? 0;
    const undone = await stage.begin();
    await stage.store.insert(undone.tx, [rowWith('undone')]);
    expectSame((await read(stage.store, fence)).ids, [], 'what is read before the commit');
    expectSame((await stage.store.lag()).rows, 0, 'what waits before the commit');
    await undone.rollback();
    await write(stage, [rowWith('kept')]);
    expectSame((await read(stage.store, fence)).ids, ['kept'], 'what is read after a rollback');
  },
};

const lateCommit: OutboxCase = {
  name: 'late-commit',
  async run(stage, { writers = 'many' }) {
    const fence = (await stage.store.acquire('me', leaseMs)) ?? 0;
    const early = await stage.begin();
    await stage.store.insert(early.tx, [rowWith('early')]);
    if (writers === 'one') {
      await expectRefusal('a second transaction that writes', async () => {
        const second = await stage.begin();
        try {
          await stage.store.insert(second.tx, [rowWith('late')]);
          await second.commit();
        } finally {
          await second.rollback();
        }
      });
      await early.commit();
      await write(stage, [rowWith('late')]);
    } else {
      await write(stage, [rowWith('late')]);
      const before = await read(stage.store, fence);
      expectSame(before.ids, ['late'], 'what is read while the first transaction is open');
      await stage.store.remove(fence, before.rows);
      await early.commit();
    }
    expect(
      (await read(stage.store, fence)).ids.includes('early'),
      'a row that was written before others and committed after them to be read',
    );
  },
};

async function expectRefusal(what: string, call: () => Promise<void>): Promise<void> {
  const refused = await call().then(
    () => false,
    () => true,
  );
  expect(refused, `${what} to be refused, as the harness says that there is one writer`);
}

const bounds: OutboxCase = {
  name: 'bounds',
  async run({ store, ...stage }) {
    const fence = (await store.acquire('me', leaseMs)) ?? 0;
    await write(
      { store, ...stage },
      ids(0, 20).map((id) => rowWith(id, { bytes: id === '5' ? 5_000 : 100 })),
    );
    const few = await read(store, fence, { rows: 3 });
    expectSame([few.ids, few.more], [['0', '1', '2'], true], 'what is read of at most 3 rows');
    const small = await read(store, fence, { bytes: 250 });
    expectSame([small.ids, small.more], [['0', '1'], true], 'what is read of at most 250 bytes');
    const { rows } = await read(store, fence, { rows: 5 });
    await store.remove(fence, rows);
    const large = await read(store, fence, { bytes: 250 });
    expectSame([large.ids, large.more], [['5'], true], 'what is read where the first is larger');
    const all = await read(store, fence);
    expectSame([all.ids, all.more], [ids(5, 15), false], 'what is read where all fit');
    const exact = await read(store, fence, { rows: 15 });
    expectSame([exact.ids.length, exact.more], [15, false], 'what is read where all just fit');
  },
};

const held: OutboxCase = {
  name: 'held',
  async run(stage) {
    const fence = (await stage.store.acquire('me', leaseMs)) ?? 0;
    const lanes = ['a', 'b', undefined];
    await write(
      stage,
      ids(0, 9).map((id) => rowWith(id, { lane: lanes[Number(id) % 3] })),
    );
    const { rows } = await read(stage.store, fence);
    const without = await read(stage.store, fence, {
      heldRows: [rows[2] ?? '', rows[4] ?? ''],
      heldLanes: ['a', 'none'],
      rows: 3,
    });
    expectSame(
      [without.ids, without.more],
      [['1', '5', '7'], true],
      'what is read beside what is held',
    );
  },
};

const removal: OutboxCase = {
  name: 'removal',
  async run(stage) {
    const fence = (await stage.store.acquire('me', leaseMs)) ?? 0;
    await write(
      stage,
      ids(0, 1_500).map((id) => rowWith(id)),
    );
    const { rows } = await read(stage.store, fence, { rows: 1_400 });
    expect(await stage.store.remove(fence, rows), 'rows to be deleted by the owner of the lease');
    expect(await stage.store.remove(fence, rows), 'rows that are deleted already to be no trouble');
    expectSame((await read(stage.store, fence)).ids, ids(1_400, 100), 'what is left');
    expectSame((await stage.store.lag()).rows, 100, 'how many are left');
  },
};

const lag: OutboxCase = {
  name: 'lag',
  async run(stage, harness) {
    const { store } = stage;
    expectSame(
      await store.lag(),
      { rows: 0, ms: 0, behind: 0, setAside: 0 },
      'the lag of an empty outbox',
    );
    const fence = (await store.acquire('me', leaseMs)) ?? 0;
    await write(stage, [rowWith('0'), ...ids(1, 3).map((id) => rowWith(id, { lane: 'a' }))]);
    const first = await store.lag();
    expectSame([first.rows, first.behind, first.setAside], [4, 0, 0], 'the lag of four rows');
    await until(
      harness,
      'the oldest row to grow older',
      async () => (await store.lag()).ms > first.ms + 5,
    );
    const { rows } = await read(store, fence);
    await store.setAside(fence, rows[1] ?? '', { code: 'X', message: 'm' });
    const aside = await store.lag();
    expectSame([aside.rows, aside.behind, aside.setAside], [3, 2, 1], 'the lag with one set aside');
    await read(store, fence);
    const again = await store.lag();
    expectSame([again.rows, again.behind, again.setAside], [3, 2, 1], 'the same after a read');
  },
};

const listen: OutboxCase = {
  name: 'listen',
  async run(stage, harness) {
    const over = new AbortController();
    const told: string[] = [];
    const listening = stage.other.listen((what) => told.push(what), over.signal);
    try {
      await until(harness, 'listen to tell that it listens', async () => told.includes('rows'));
      told.length = 0;
      await write(stage, [rowWith('a')]);
      await until(harness, 'listen to tell of new rows', async () => told.includes('rows'));
    } finally {
      over.abort();
    }
    await listening;
    await stage.other.listen(() => undefined, AbortSignal.abort());
  },
};

const migration: OutboxCase = {
  name: 'migration',
  migrated: false,
  async run(stage, { tables = true }) {
    const { store, other } = stage;
    if (tables) {
      const asked = [
        () => store.acquire('me', leaseMs),
        () => store.lag(),
        () => write(stage, [rowWith('a')]),
      ];
      for (const call of asked) {
        const error = await expectRefused('an outbox without tables', call, 'DUOBUS_NOT_FOUND');
        expect(String(error).includes('migrate()'), 'the error to name migrate()');
      }
    }
    await Promise.all([store.migrate(), other.migrate(), store.migrate(), other.migrate()]);
    await write(stage, [rowWith('a')]);
    await other.migrate();
    const fence = (await store.acquire('me', leaseMs)) ?? 0;
    expectSame((await read(store, fence)).ids, ['a'], 'what is read after another migration');
  },
};

function sortedEntries(row: object): unknown {
  return Object.entries(row).toSorted(([a], [b]) => a.localeCompare(b));
}

export const rowCases: readonly OutboxCase[] = [
  migration,
  commit,
  rollback,
  lateCommit,
  bounds,
  held,
  removal,
  lag,
  listen,
];
