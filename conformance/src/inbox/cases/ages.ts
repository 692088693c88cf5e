import { expect, expectSame } from '../../expect.ts';
import type { InboxCase } from '../case.ts';
import { leaseMs } from '../settle.ts';

const shortMs = 1_000;

export const ageCases: readonly InboxCase[] = [
  {
    name: 'lease-ends',
    needs: [],
    async run(context) {
      const [store, other] = [await context.open(), await context.open()];
      const key = context.key();
      const began = performance.now();
      await store.begin(key, shortMs, 'a');
      const answer = await other.begin(key, leaseMs, 'b');
      if (performance.now() - began < shortMs)
        expectSame(answer, 'running', 'the answer before the lease ends');
      await context.until(
        `another can begin when the lease of ${shortMs} ms is over`,
        async () => answer === 'new' || (await other.begin(key, leaseMs, 'b')) === 'new',
      );
      expectSame(await store.begin(key, leaseMs, 'c'), 'running', 'the answer while b runs');
    },
  },
  {
    name: 'done-after-the-lease',
    needs: [],
    async run(context) {
      const store = await context.open();
      const [key, other] = [context.key(), context.key()];
      await store.begin(key, 1, 'a');
      await store.begin(other, 1, 'a');
      await context.until('the lease of 1 ms ends', async () => {
        return (await store.begin(other, 1, 'b')) === 'new';
      });
      const error = await store.done(key, 'a').catch((thrown: unknown) => thrown);
      expect(error === undefined, `done marks what nobody has taken, got ${String(error)}`);
      expectSame(
        await store.begin(key, leaseMs, 'b'),
        'done',
        'the answer: it has been done, late',
      );
    },
  },
  {
    name: 'keeps-its-time',
    needs: [],
    async run(context) {
      const forEver = await context.open({ keepsForMs: null });
      expectSame(forEver.keepsForMs, null, 'keepsForMs');
      const long = await context.open({ keepsForMs: 3_600_000 });
      expectSame(long.keepsForMs, 3_600_000, 'keepsForMs');
      const short = await context.open({ keepsForMs: shortMs });
      const [kept, keptForEver, expiring] = [context.key(), context.key(), context.key()];
      for (const [store, key] of [
        [long, kept],
        [forEver, keptForEver],
      ] as const) {
        await store.begin(key, leaseMs, 'a');
        await store.done(key, 'a');
      }
      await short.begin(expiring, leaseMs, 'a');
      const done = performance.now();
      await short.done(expiring, 'a');
      const answer = await short.begin(expiring, leaseMs, 'b');
      if (performance.now() - done < shortMs)
        expectSame(answer, 'done', 'the answer before its time is over');
      await context.until(
        `a mark that is kept for ${shortMs} ms expires`,
        async () => answer === 'new' || (await short.begin(expiring, leaseMs, 'b')) === 'new',
      );
      expectSame(await long.begin(kept, leaseMs, 'b'), 'done', 'the answer of a longer time');
      expectSame(await forEver.begin(keptForEver, leaseMs, 'b'), 'done', 'the answer for ever');
    },
  },
  {
    name: 'transaction-keeps-its-time',
    needs: ['effects'],
    async run(context) {
      const short = await context.openTransactional({ keepsForMs: shortMs });
      const key = context.key();
      const runs: number[] = [];
      const run = async (): Promise<void> => void runs.push(1);
      const began = performance.now();
      await context.settle(short, key, run);
      const { result } = await short.transaction(key, run);
      if (performance.now() - began < shortMs)
        expectSame(result, 'done', 'the answer before its time is over');
      await context.until(`a mark that is kept for ${shortMs} ms expires`, async () => {
        await short.transaction(key, run);
        return runs.length > 1;
      });
    },
  },
];
