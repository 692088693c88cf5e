import { expect, expectSame } from '../expect.ts';
import type { OutboxCase } from './outbox-case.ts';
import { read, rowWith, until, write } from './stage.ts';

const leaseMs = 60_000;
/** Over within a case. */
const shortMs = 150;

const oneOwner: OutboxCase = {
  name: 'one-owner',
  async run({ store, other }) {
    const takings = await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        (at % 2 === 0 ? store : other).acquire(`relay ${at}`, leaseMs),
      ),
    );
    const fences = takings.filter((fence) => fence !== undefined);
    expectSame(fences.length, 1, 'how many of ten relays got the lease at once');
    expect(
      (await other.acquire('late', leaseMs)) === undefined,
      'a lease that is held to be refused',
    );
  },
};

const release: OutboxCase = {
  name: 'release',
  async run({ store, other }, harness) {
    const over = new AbortController();
    const told: string[] = [];
    const listening = store.listen((what) => told.push(what), over.signal);
    try {
      const first = (await store.acquire('a', leaseMs)) ?? 0;
      await store.release(first);
      const second = await other.acquire('b', leaseMs);
      expect(
        second !== undefined && second > first,
        'a lease that was freed to be given, with a greater fence',
      );
      await other.release(first);
      expect(
        (await store.acquire('c', leaseMs)) === undefined,
        'a lease not to be freed with the fence of another',
      );
      expect(!(await store.renew(first, leaseMs)), 'a lease that was freed not to be prolonged');
      await until(harness, 'listen to tell that the lease is free', async () =>
        told.includes('lease'),
      );
    } finally {
      over.abort();
      await listening;
    }
  },
};

const again: OutboxCase = {
  name: 'own-lease',
  async run({ store }) {
    const first = (await store.acquire('a', leaseMs)) ?? 0;
    const second = await store.acquire('a', leaseMs);
    expect(
      second !== undefined && second > first,
      'an owner to get its own lease again, with a greater fence',
    );
    expect(!(await store.renew(first, leaseMs)), 'the fence before not to be prolonged');
    expect(await store.renew(second, leaseMs), 'the last fence to be prolonged');
  },
};

const expiry: OutboxCase = {
  name: 'expiry',
  async run(stage, harness) {
    const { store, other } = stage;
    await write(stage, [rowWith('1', { lane: 'a' }), rowWith('2', { lane: 'a' })]);
    const first = (await store.acquire('a', shortMs)) ?? 0;
    const { rows } = await read(store, first);
    let second: number | undefined;
    await until(harness, 'a lease that has run out to be given to another', async () => {
      second = await other.acquire('b', leaseMs);
      return second !== undefined;
    });
    expect((second ?? 0) > first, 'the fence of the next owner to be greater');
    expect(!(await store.renew(first, leaseMs)), 'a lost lease not to be prolonged');
    expect(!(await store.remove(first, rows)), 'a relay that lost the lease to delete nothing');
    const aside = await store.setAside(first, rows[0] ?? '', { code: 'X', message: 'm' });
    expect(!aside, 'a relay that lost the lease to set nothing aside');
    await store.release(first);
    expect((await store.acquire('c', leaseMs)) === undefined, 'a lost lease not to be freed');
    expectSame((await read(other, second ?? 0)).ids, ['1', '2'], 'what is left to the next owner');
    expectSame((await other.lag()).setAside, 0, 'what is set aside');
  },
};

const renewal: OutboxCase = {
  name: 'renewal',
  async run({ store, other }, harness) {
    const fence = (await store.acquire('a', shortMs)) ?? 0;
    expect(await store.renew(fence, leaseMs), 'a lease to be prolonged by its owner');
    const sentinel = Date.now() + shortMs * 2;
    await until(harness, 'the first lease to be over', async () => Date.now() > sentinel);
    expect(
      (await other.acquire('b', leaseMs)) === undefined,
      'a lease that was prolonged to be kept',
    );
  },
};

const runOut: OutboxCase = {
  name: 'run-out',
  async run({ store }, harness) {
    const fence = (await store.acquire('a', 1)) ?? 0;
    const sentinel = Date.now() + 50;
    await until(harness, 'the lease to be over', async () => Date.now() > sentinel);
    expect(
      await store.renew(fence, leaseMs),
      'a lease that has run out, and that nobody has taken, to be prolonged',
    );
  },
};

export const leaseCases: readonly OutboxCase[] = [
  oneOwner,
  release,
  again,
  expiry,
  renewal,
  runOut,
];
