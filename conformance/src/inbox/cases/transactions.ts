import { expect, expectRefused, expectSame } from '../../expect.ts';
import type { InboxCase } from '../case.ts';
import { leaseMs } from '../settle.ts';

export const transactionCases: readonly InboxCase[] = [
  {
    name: 'transactional-as-declared',
    needs: [],
    async run(context) {
      const store = await context.open();
      const wanted = context.harness.effects !== undefined;
      expectSame(store.transaction !== undefined, wanted, 'whether the store has transactions');
    },
  },
  {
    name: 'commits-together',
    needs: ['effects'],
    async run(context) {
      const [store, other] = [await context.openTransactional(), await context.openTransactional()];
      const key = context.key();
      const made = await store.transaction(key, async (tx) => {
        await context.effects.write(tx, key);
        return { made: 'this' };
      });
      expectSame(made, { result: 'new', value: { made: 'this' } }, 'what the transaction returns');
      expectSame(await context.effects.read(key), [key], 'the committed effects');
      for (const next of [store, other]) {
        const again = await next.transaction(key, () => {
          throw new Error('expected: the effect does not run again when it is done');
        });
        expectSame(again, { result: 'done' }, 'what a repetition returns');
      }
      expectSame(await store.begin(key, leaseMs, 'a'), 'done', 'the answer of begin');
    },
  },
  {
    name: 'rolls-back-together',
    needs: ['effects'],
    async run(context) {
      const store = await context.openTransactional();
      const key = context.key();
      const broken = new Error('broken');
      let thrown: unknown;
      try {
        await store.transaction(key, async (tx) => {
          await context.effects.write(tx, key);
          throw broken;
        });
      } catch (error) {
        thrown = error;
      }
      expect(thrown === broken, 'a transaction rejects with the very error of the effect');
      expectSame(await context.effects.read(key), [], 'the effects that were rolled back');
      const result = await context.settle(store, key, (tx) => context.effects.write(tx, key));
      expectSame(result, 'new', 'the answer after a rollback');
      expectSame(await context.effects.read(key), [key], 'the committed effects');
    },
  },
  {
    name: 'one-transaction-at-a-time',
    needs: ['effects'],
    async run(context) {
      const stores = [await context.openTransactional(), await context.openTransactional()];
      const key = context.key();
      let running = 0;
      let ended = 0;
      const repetition = async (index: number): Promise<void> => {
        const store = stores[index % 2] as (typeof stores)[number];
        const result = await context
          .settle(store, key, async (tx) => {
            running += 1;
            expect(running === 1, 'one effect of a key at a time');
            await context.effects.write(tx, `${key} ${index}`);
            await new Promise((resolve) => setTimeout(resolve, 50));
            running -= 1;
            ended += 1;
            if (ended === 1) throw new Error('the first fails');
          })
          .catch(() => 'failed');
        expect(
          result === 'failed' || ended === 2,
          'a repetition is not settled before the run of its key has succeeded',
        );
      };
      await Promise.all(Array.from({ length: 6 }, (_, index) => repetition(index)));
      expectSame(ended, 2, 'the runs, of which the first fails');
      expectSame((await context.effects.read(key)).length, 1, 'the number of committed effects');
    },
  },
  {
    name: 'running-by-lease',
    needs: ['effects'],
    async run(context) {
      const store = await context.openTransactional();
      const key = context.key();
      await store.begin(key, leaseMs, 'a');
      const { result } = await store.transaction(key, () => {
        throw new Error('expected: the effect does not run while another run holds its key');
      });
      expectSame(result, 'running', 'what a transaction returns while a run has a lease');
      await store.done(key, 'a');
      const again = await store.transaction(key, async () => undefined);
      expectSame(again.result, 'done', 'what it returns when that is done');
    },
  },
  {
    name: 'nested',
    needs: ['effects'],
    async run(context) {
      const store = await context.openTransactional();
      const [outer, inner] = [context.key('outer'), context.key('inner')];
      const broken = new Error('broken');
      let refusal: unknown;
      const run = store.transaction(outer, async (tx) => {
        await context.effects.write(tx, outer);
        try {
          await store.transaction(inner, async (own) => context.effects.write(own, inner));
        } catch (error) {
          refusal = error;
        }
        throw broken;
      });
      let thrown: unknown;
      await run.catch((error: unknown) => (thrown = error));
      expect(thrown === broken, 'the outer transaction rejects with the error of its effect');
      expectSame(await context.effects.read(outer), [], 'the effects of the outer one');
      const refused = context.harness.nested === 'refused';
      expectSame(
        await context.effects.read(inner),
        refused ? [] : [inner],
        'the effects of the inner one',
      );
      if (refused)
        await expectRefused(
          'a transaction inside of another',
          () => Promise.reject(refusal),
          'DUOBUS_REJECTED',
        );
      else expect(refusal === undefined, `the inner transaction commits, got ${String(refusal)}`);
    },
  },
  {
    name: 'aborted-while-it-waits',
    needs: ['effects'],
    async run(context) {
      const store = await context.openTransactional();
      const reason = new Error('time is up');
      let ran = false;
      let thrown: unknown;
      await store
        .transaction(context.key(), async () => void (ran = true), AbortSignal.abort(reason))
        .catch((error: unknown) => (thrown = error));
      expect(
        !ran && thrown === reason,
        'a call whose signal is aborted rejects with its reason, and runs no effect',
      );
    },
  },
];
