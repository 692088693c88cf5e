import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Adapter } from '@duobus/core';
import type { QueueDriver } from '@duobus/core/driver';
import { intercept } from '../src/intercept.ts';
import { type Report, run, suite, table, type TestFunction } from '../src/index.ts';
import { memoryHarness } from './support/memory.ts';

const only =
  (kind: 'queue' | 'log') =>
  (adapter: Adapter): Adapter => {
    const { queue, log, ...rest } = adapter;
    if (queue === undefined || log === undefined) throw new Error('memory has both');
    return kind === 'queue' ? { ...rest, queue } : { ...rest, log };
  };

describe('run', () => {
  it('reports every case with its rules, verdict, time and seed', async () => {
    const told: string[] = [];
    const report = await run(memoryHarness(), {
      only: ['fan-out', 'offset-reset', 'reset.from-another-process'],
      seed: 7,
      onResult: ({ name }) => told.push(name),
    });
    assert.deepEqual(
      report.cases.map(({ name, contract, verdict, seed, consumers }) => ({
        name,
        contract,
        verdict,
        seed,
        consumers,
      })),
      [
        { name: 'fan-out', contract: ['E1', 'E9'], verdict: 'pass', seed: 7, consumers: undefined },
        { name: 'offset-reset', contract: ['D5'], verdict: 'pass', seed: 7, consumers: undefined },
        {
          name: 'reset.from-another-process',
          contract: ['D5', 'D2'],
          verdict: 'pass',
          seed: 7,
          consumers: 'in-process',
        },
      ],
    );
    assert.equal(told.length, 3);
    assert.equal(report.capabilities.data?.dense, true);
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
    assert.match(table(report), /E1 E9 +fan-out +pass/);
    assert.match(table(report), /memory: 3 passed, 0 failed, 0 unsupported \(seed 7\)/);
  });

  it('measures how long a document takes from publish to handled', async () => {
    const only = ['staleness.event', 'staleness.data'];
    const report = await run(memoryHarness(), { only });
    assert.deepEqual(Object.keys(report.staleness ?? {}), ['event', 'data']);
    for (const { count, p50, p99, max } of Object.values(report.staleness ?? {})) {
      assert.ok(count >= 20);
      assert.ok(0 < p50 && p50 <= p99 && p99 <= max, `${p50}, ${p99}, ${max}`);
    }
    assert.match(
      table(report),
      /^data bus, from publish to handled: p50 [\d.]+ ms, p99 .* \(\d+ documents\)$/m,
    );
  });

  it('tells figures of a slow adapter, and lets it pass', async () => {
    const delayMs = 30;
    const slow = (adapter: Adapter): Adapter => ({
      ...adapter,
      queue: intercept(adapter.queue as QueueDriver, (queue) => ({
        publish: async (...args) => {
          await setTimeout(delayMs);
          return queue.publish(...args);
        },
      })),
    });
    const harness = { ...memoryHarness(slow), slow: 0.1 };
    const { cases, staleness } = await run(harness, { only: ['staleness.event'] });
    assert.equal(cases[0]?.verdict, 'pass');
    assert.ok((staleness?.event?.p50 ?? 0) >= delayMs - 1, JSON.stringify(staleness));
  });

  it('says unsupported of a bus that is not declared, never pass', async () => {
    const verdicts = (report: Report): string[] => report.cases.map(({ verdict }) => verdict);
    assert.deepEqual(
      verdicts(
        await run(memoryHarness(only('queue')), {
          only: ['fan-out', 'offset-reset', 'topics-apart'],
        }),
      ),
      ['pass', 'unsupported', 'unsupported'],
    );
    assert.deepEqual(
      verdicts(await run(memoryHarness(only('log')), { only: ['fan-out', 'offset-reset'] })),
      ['unsupported', 'pass'],
    );
  });

  it('fails with the history, and says how to repeat it', async () => {
    const harness = { ...memoryHarness(), slow: 0.01, brokerDepth: async () => 1 };
    const [result] = (await run(harness, { only: ['deletion-on-read'], seed: 3 })).cases;
    assert.equal(result?.verdict, 'fail');
    assert.match(result?.error ?? '', /deliver/);
    assert.match(result?.error ?? '', /--case deletion-on-read --seed 3/);
  });

  it('fails where a consumer has to die and cannot', async () => {
    const { crash: _, ...immortal } = memoryHarness();
    const [result] = (
      await run({ ...immortal, slow: 0.1 }, { only: ['crash.returns-the-document'] })
    ).cases;
    assert.equal(result?.verdict, 'fail');
    assert.match(result?.error ?? '', /has to be able to die/);
  });

  it('refuses a case that does not exist', async () => {
    await assert.rejects(
      run(memoryHarness(), { only: ['nonsense'] }),
      /there is no case 'nonsense'/,
    );
  });

  it('refuses options that it does not have, and so does the suite', async () => {
    for (const [options, says] of [
      [{ sead: 1 }, /unknown option 'sead'. Did you mean 'seed'/],
      [{ seed: '1' }, /seed must be an integer/],
      [{ concurrency: '4' }, /concurrency must be an integer/],
      [{ only: 'fan-out' }, /only must be a list/],
    ] as const) {
      await assert.rejects(run(memoryHarness(), options as object), {
        name: 'TypeError',
        message: says,
      });
      const adapter = memoryHarness();
      assert.throws(() => suite({ test: () => undefined, adapter, ...(options as object) }), says);
    }
  });
});

describe('suite', () => {
  it('tells the runner how long a case may take, in either way that runners have', () => {
    const limits: number[] = [];
    for (const slow of [1, 3]) {
      const test: TestFunction = (_, body, timeoutMs) => {
        limits.push(timeoutMs);
        const ended = body.call({ timeout: (ms: number) => limits.push(ms) } as never);
        ended.catch(() => undefined);
      };
      suite({ test, adapter: { ...memoryHarness(), slow }, only: ['order-by-key.murmur2'] });
    }
    assert.deepEqual(limits, [250_000, 250_000, 730_000, 730_000]);
  });

  it('takes any runner’s test function, and fails the test of a failing case', async () => {
    const tests = new Map<string, () => Promise<void>>();
    const test = (name: string, body: () => Promise<void>): unknown => tests.set(name, body);
    suite({ test, adapter: memoryHarness(), only: ['no-history', 'read'] });
    assert.deepEqual([...tests.keys()], ['no-history [E3]', 'read [D13 D6]']);
    const told: string[] = [];
    suite({
      test,
      adapter: memoryHarness(),
      only: ['no-history', 'read'],
      onResult: ({ name, verdict }) => told.push(`${verdict} ${name}`),
    });
    for (const body of tests.values()) await body();
    assert.deepEqual(told, ['pass no-history', 'pass read']);
    const { crash: _, ...immortal } = memoryHarness();
    suite({ test, adapter: { ...immortal, slow: 0.1 }, only: ['crash.returns-the-document'] });
    await assert.rejects(
      tests.get('crash.returns-the-document [E8 E12 C3]') as () => Promise<void>,
      /has to be able to die/,
    );
  });
});
