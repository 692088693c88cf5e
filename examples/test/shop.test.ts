import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type BrokerKind, isLeftOut, testUrl } from '@duobus/brokers';
import type { Facts, Measured } from '../shop/facts.ts';

const main = fileURLToPath(new URL('../shop/main.ts', import.meta.url));
const orders = 120;

const brokers: readonly (readonly [events: BrokerKind, data: BrokerKind])[] = [
  ['rabbitmq', 'rabbitmq'],
  ['kafka', 'kafka'],
  ['redis', 'redis'],
  ['sns-sqs', 'sns-sqs'],
  ['rabbitmq', 'kafka'],
];

interface Day {
  readonly facts: Facts;
  readonly measured: Measured;
  readonly output: string;
}

describe('the shop', () => {
  let folder = '';
  let embedded: Day | undefined;

  async function run(...args: readonly string[]): Promise<Day> {
    const json = join(folder, `${crypto.randomUUID()}.json`);
    const all = [...process.execArgv, main, '--orders', String(orders), '--json', json, ...args];
    const child = spawn(process.execPath, all);
    const [output, errors, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ]);
    assert.equal(code, 0, output + errors);
    return { ...(JSON.parse(await readFile(json, 'utf8')) as Omit<Day, 'output'>), output };
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'duobus-test-'));
    embedded = await run();
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('has sold what was ordered, in one process', () => {
    assert.equal(embedded?.facts.orders.placed, orders);
    assert.match(embedded?.output ?? '', /All 5 claims hold/);
  });

  for (const [events, data] of brokers)
    if (!isLeftOut(events) && !isLeftOut(data))
      it(`counts the same with events on ${events} and data on ${data}, a process for each service`, async () => {
        const { facts, measured, output } = await run(
          '--events',
          testUrl(events),
          '--data',
          testUrl(data),
        );
        assert.deepEqual(facts, embedded?.facts);
        assert.match(output, /shipping \d+ \(away\)/);
        assert.ok(measured.staleness.p50 <= measured.staleness.p99);
      });

  it('counts the same when inversify puts its services together', async () => {
    const { facts } = await run('--wiring', 'inversify');
    assert.deepEqual(facts, embedded?.facts);
  });

  if (!isLeftOut('redis'))
    it('counts the same when inversify does so in processes of their own', async () => {
      const { facts } = await run('--wiring', 'inversify', '--url', testUrl('redis'));
      assert.deepEqual(facts, embedded?.facts);
    });

  it('says how it is used', async () => {
    await assert.rejects(run('--orders', 'many'), /--orders must be a whole number/);
    await assert.rejects(run('--wiring', 'none'), /--wiring must be plain or inversify/);
    await assert.rejects(run('--broker', 'x'), /npm run shop -- \[--url URL/);
  });
});
