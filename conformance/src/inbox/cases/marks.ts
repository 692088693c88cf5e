import { BusError } from '@duobus/core';
import { expect, expectRefused, expectSame } from '../../expect.ts';
import type { InboxCase } from '../case.ts';
import { leaseMs } from '../settle.ts';

export const markCases: readonly InboxCase[] = [
  {
    name: 'one-begins',
    needs: [],
    async run(context) {
      const [one, two] = [await context.open(), await context.open()];
      for (let round = 0; round < 10; round += 1) {
        const key = context.key();
        const calls = Array.from({ length: 12 }, (_, index) =>
          (index % 2 === 0 ? one : two).begin(key, leaseMs, `run ${index}`),
        );
        const answers = await Promise.all(calls);
        const count = (wanted: string): number =>
          answers.filter((answer) => answer === wanted).length;
        expectSame(
          [count('new'), count('running')],
          [1, 11],
          'the answers new and running to 12 calls of begin at a time',
        );
      }
    },
  },
  {
    name: 'running-until-it-ends',
    needs: [],
    async run(context) {
      const [store, other] = [await context.open(), await context.open()];
      const key = context.key();
      expectSame(await store.begin(key, leaseMs, 'a'), 'new', 'the first answer');
      for (const next of [store, other])
        expectSame(await next.begin(key, leaseMs, 'b'), 'running', 'the answer while it runs');
      await store.done(key, 'a');
      for (const next of [store, other])
        expectSame(await next.begin(key, leaseMs, 'b'), 'done', 'the answer when it is done');
    },
  },
  {
    name: 'done-stays',
    needs: [],
    async run(context) {
      const key = context.key();
      const { store, close } = await context.harness.open();
      await store.begin(key, leaseMs, 'a');
      await store.done(key, 'a');
      await store.fail(key, 'a');
      await store.fail(key, 'b');
      await store.fail(key);
      await close();
      const later = await context.open();
      for (let asked = 0; asked < 3; asked += 1)
        expectSame(
          await later.begin(key, leaseMs, `${asked}`),
          'done',
          'the answer when it is done',
        );
    },
  },
  {
    name: 'fail-frees',
    needs: [],
    async run(context) {
      const [store, other] = [await context.open(), await context.open()];
      const key = context.key();
      await store.begin(key, leaseMs, 'a');
      await store.fail(key, 'a');
      expectSame(await other.begin(key, leaseMs, 'b'), 'new', 'the answer after fail');
    },
  },
  {
    name: 'owner-asks-again',
    needs: [],
    async run(context) {
      const store = await context.open();
      const key = context.key();
      await store.begin(key, leaseMs, 'a');
      expectSame(await store.begin(key, leaseMs, 'a'), 'new', 'the answer to its owner');
      expectSame(await store.begin(key, leaseMs, 'b'), 'running', 'the answer to another');
    },
  },
  {
    name: 'runs-without-names',
    needs: [],
    async run(context) {
      const store = await context.open();
      const [key, failed] = [context.key(), context.key()];
      expectSame(await store.begin(key, leaseMs), 'new', 'the first answer');
      expectSame(await store.begin(key, leaseMs), 'running', 'the second');
      await store.done(key);
      expectSame(await store.begin(key, leaseMs), 'done', 'the answer when it is done');
      await store.begin(failed, leaseMs);
      await store.fail(failed);
      expectSame(await store.begin(failed, leaseMs), 'new', 'the answer after fail');
    },
  },
  {
    name: 'lost-lease',
    needs: [],
    async run(context) {
      const store = await context.open();
      const key = context.key();
      await store.begin(key, 1, 'a');
      await context.until(
        'the lease of 1 ms ends',
        async () => (await store.begin(key, leaseMs, 'b')) === 'new',
      );
      await expectRefused(
        'done by a run that has lost its lease',
        () => store.done(key, 'a'),
        'DUOBUS_CONFLICT',
      );
      expectSame(await store.begin(key, leaseMs, 'c'), 'running', 'the answer while b runs');
      await store.fail(key, 'a');
      expectSame(await store.begin(key, leaseMs, 'c'), 'running', 'the answer while b runs');
      await store.done(key, 'b');
      expectSame(await store.begin(key, leaseMs, 'c'), 'done', 'the answer when b is done');
    },
  },
  {
    name: 'away',
    needs: ['away'],
    async run(context) {
      const store = await context.away();
      const key = context.key();
      const verbs: readonly (readonly [string, () => Promise<unknown>])[] = [
        ['begin', () => store.begin(key, leaseMs, 'a')],
        ['done', () => store.done(key, 'a')],
        ['fail', () => store.fail(key, 'a')],
      ];
      for (const [verb, call] of verbs) {
        const error = await expectRefused(
          `${verb} of a store that is away`,
          call,
          'DUOBUS_UNAVAILABLE',
        );
        expect(BusError.is(error) && error.retryable, `${verb} says that it is retryable`);
      }
      let ran = false;
      if (store.transaction === undefined) return;
      const run = async (): Promise<void> => void (ran = true);
      await expectRefused(
        'a transaction of a store that is away',
        () => store.transaction?.(key, run),
        'DUOBUS_UNAVAILABLE',
      );
      expect(!ran, 'the effect does not run when the store is away');
    },
  },
];
