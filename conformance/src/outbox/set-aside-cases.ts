import { expect, expectSame, numbers } from '../expect.ts';
import type { OutboxCase } from './outbox-case.ts';
import { type OutboxStage, read, rowWith, write } from './stage.ts';

const leaseMs = 60_000;
const reason = { code: 'DUOBUS_TOO_LARGE', message: `it's "too" large: ü` };

/** a1 a2 b1 none a3, with a1 set aside. */
async function withOneAside(stage: OutboxStage<never>): Promise<number> {
  await write(stage, [
    rowWith('a1', { lane: 'a' }),
    rowWith('a2', { lane: 'a' }),
    rowWith('b1', { lane: 'b' }),
    rowWith('none'),
  ]);
  const fence = (await stage.store.acquire('me', leaseMs)) ?? 0;
  const { rows } = await read(stage.store, fence);
  const done = await stage.store.setAside(fence, rows[0] ?? '', reason);
  expect(done, 'the owner of the lease to set a row aside');
  await write(stage, [rowWith('a3', { lane: 'a' })]);
  return fence;
}

const setAside: OutboxCase = {
  name: 'set-aside',
  async run(stage) {
    const fence = await withOneAside(stage);
    for (let reads = 0; reads < 3; reads += 1)
      expectSame((await read(stage.store, fence)).ids, ['b1', 'none'], 'what goes on');
    const [failed, ...others] = await stage.store.failed(undefined, 10);
    expectSame(others.length, 0, 'how many others are set aside');
    expectSame(
      [failed?.id, failed?.bus, failed?.topic, failed?.reason],
      ['a1', 'event', 'orders', reason],
      'what is set aside',
    );
    expectSame(Buffer.from(failed?.data ?? []).toString(), '"a1"', 'its document');
    const age = Math.abs(Date.now() - (failed?.failedAt ?? 0));
    expect(age < 86_400_000, 'the time at which it was set aside');
  },
};

const listing: OutboxCase = {
  name: 'listing',
  async run(stage) {
    const fence = (await stage.store.acquire('me', leaseMs)) ?? 0;
    await write(
      stage,
      numbers(0, 7).map((n) => rowWith(`${n}`)),
    );
    for (const row of (await read(stage.store, fence)).rows)
      await stage.store.setAside(fence, row, reason);
    const listed: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await stage.store.failed(after, 3);
      expect(page.length <= 3, 'no more than are asked for');
      listed.push(...page.map(({ id }) => id));
      after = page.at(-1)?.row;
      if (page.length < 3) break;
    }
    expectSame(listed, numbers(0, 7).map(String), 'what is listed, page by page');
  },
};

/** Settles what was set aside, and nothing else. `left`: what is read afterwards. */
function settling(
  verdict: 'retry' | 'discard',
  notAside: string,
  left: readonly string[],
): OutboxCase {
  return {
    name: verdict,
    async run(stage) {
      const fence = await withOneAside(stage);
      await read(stage.store, fence);
      const settle = (id: string): Promise<number> => stage.other.settle(id, verdict);
      expectSame(await settle(notAside), 0, `how many of ${verdict} were not set aside`);
      expectSame(await settle('a1'), 1, `how many of ${verdict} were set aside`);
      expectSame((await read(stage.store, fence)).ids, left, `what is read after a ${verdict}`);
      const { rows: _, ms: _ms, ...rest } = await stage.store.lag();
      expectSame(rest, { behind: 0, setAside: 0 }, `the lag after a ${verdict}`);
      expectSame((await stage.store.failed(undefined, 10)).length, 0, 'how many are set aside');
    },
  };
}

const retry = settling('retry', 'a2', ['a1', 'a2', 'b1', 'none', 'a3']);
const discard = settling('discard', 'b1', ['a2', 'b1', 'none', 'a3']);

const secondAside: OutboxCase = {
  name: 'second-aside',
  async run(stage) {
    const fence = (await stage.store.acquire('me', leaseMs)) ?? 0;
    await write(
      stage,
      ['a1', 'a2', 'a3'].map((id) => rowWith(id, { lane: 'a' })),
    );
    const { rows } = await read(stage.store, fence);
    await stage.store.setAside(fence, rows[1] ?? '', reason);
    await stage.store.setAside(fence, rows[0] ?? '', reason);
    await read(stage.store, fence);
    await stage.store.settle('a1', 'retry');
    const { ids } = await read(stage.store, fence);
    expectSame(ids.includes('a3'), false, 'whether the last is read while the second is set aside');
    await stage.store.settle('a2', 'retry');
    expectSame((await read(stage.store, fence)).ids, ['a1', 'a2', 'a3'], 'what is read at last');
  },
};

const manyBehind: OutboxCase = {
  name: 'many-behind',
  async run(stage) {
    const { store } = stage;
    const fence = (await store.acquire('me', leaseMs)) ?? 0;
    await write(
      stage,
      numbers(0, 500).map((n) => rowWith(`${n}`, { lane: 'a' })),
    );
    await write(stage, [rowWith('other', { lane: 'b' })]);
    const { rows } = await read(store, fence, { rows: 1 });
    await store.setAside(fence, rows[0] ?? '', reason);
    expectSame(
      (await read(store, fence, { rows: 10 })).ids,
      ['other'],
      'what is read beyond those that wait behind',
    );
    expectSame((await store.lag()).behind, 499, 'how many wait behind');
    await store.settle('0', 'retry');
    const { ids } = await read(store, fence);
    expectSame(ids, [...numbers(0, 500).map(String), 'other'], 'what is read after the retry');
  },
};

export const setAsideCases: readonly OutboxCase[] = [
  setAside,
  listing,
  retry,
  discard,
  secondAside,
  manyBehind,
];
