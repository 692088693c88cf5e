import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Broker, startBroker } from '@duobus/brokers';
import type { Settlement } from '@duobus/core/driver';
import { soon } from './support/connection.ts';
import {
  appendUntilStored,
  makeTopic,
  numbered,
  openLog,
  record,
  records,
  textsOf,
} from './support/log.ts';
import {
  consume,
  openDriver,
  publish,
  type Reader,
  subscription,
  wantedTopic,
} from './support/queues.ts';
import type { RedisStreamsOptions } from '../src/index.ts';

const options: RedisStreamsOptions = { requireAof: 'always', leaseMs: 1_000 };

const startRedis = (): Promise<Broker> =>
  startBroker('redis', { config: { appendfsync: 'always' } });

/** The file to which the server appends what it does. */
function appendOnlyFile(broker: Broker): string {
  const files = readdirSync(broker.folder, { recursive: true, encoding: 'utf8' });
  return join(broker.folder, files.find((file) => file.endsWith('.incr.aof')) ?? '');
}

/** Where the commands of the last transaction begin, the first of them and the end of the transaction too. */
function lastTransaction(bytes: Buffer): readonly number[] {
  const begins: number[] = [];
  const begin = bytes.lastIndexOf('*1\r\n$5\r\nMULTI\r\n');
  const end = bytes.indexOf('*1\r\n$4\r\nEXEC\r\n', begin);
  for (let at = begin; at !== -1 && at <= end; at = bytes.indexOf('\r\n*', at + 1)) {
    const start = at === begin ? at : at + 2;
    if (start <= end) begins.push(start);
  }
  return begins;
}

/** Starts the server as if its process had died in the middle of a write, so that `bytes` are all that was written, and
 *  once more, after something has been done. */
async function startTorn(
  broker: Broker,
  bytes: Buffer,
  act: (url: string) => Promise<void>,
): Promise<void> {
  writeFileSync(appendOnlyFile(broker), bytes);
  await broker.start();
  await act(broker.url);
  await broker.kill9();
  await broker.start();
}

/** Nothing but what every connection does. */
async function connectAndClose(url: string): Promise<void> {
  await using driver = await openDriver(options, url);
  await driver.topics([], soon());
}

describe('a write of Redis that a crash has torn', () => {
  it('hides nothing of what is stored in its place', async () => {
    await using broker = await startRedis();
    await using log = await openLog(options, broker.url);
    const topic = await makeTopic(log);
    await appendUntilStored(log, topic, records(numbered(0, 10)));
    await appendUntilStored(log, topic, records(numbered(100, 100)));
    await broker.kill9();
    const bytes = readFileSync(appendOnlyFile(broker));
    const begins = lastTransaction(bytes);
    writeFileSync(appendOnlyFile(broker), bytes.subarray(0, (begins[50] as number) + 5));
    await broker.start();
    await log.open(soon());
    assert.deepEqual(await textsOf(log, topic), numbered(0, 10));
    // a publisher that does not know of it
    await using other = await openLog(options, broker.url);
    await appendUntilStored(other, topic, records(numbered(200, 100)));
    await broker.restart();
    await log.open(soon());
    assert.deepEqual(await textsOf(log, topic), [...numbered(0, 10), ...numbered(200, 100)]);
  });

  it('keeps what is the newest of its key', async () => {
    await using broker = await startRedis();
    await using log = await openLog(options, broker.url);
    const topic = await makeTopic(log, { compacted: true });
    await appendUntilStored(log, topic, [record('a', 'a'), record('b1', 'b')]);
    await appendUntilStored(log, topic, [record('b2', 'b')]);
    await broker.kill9();
    const bytes = readFileSync(appendOnlyFile(broker));
    const last = lastTransaction(bytes).at(-1) as number;
    // all of it but its end: b1 is removed, and b2 in its place
    await startTorn(broker, bytes.subarray(0, last + 5), async (url) => {
      await using other = await openLog(options, url);
      await appendUntilStored(other, topic, [record('c', 'c')]);
    });
    await log.open(soon());
    // b2 and c have been given one ordinal
    assert.deepEqual((await textsOf(log, topic)).toSorted(), ['a', 'b2', 'c']);
    assert.deepEqual(await textsOf(log, topic), ['a', 'c', 'b2']);
  });

  it('takes nothing with it that was written after it by itself', async () => {
    await using broker = await startRedis();
    await using log = await openLog(options, broker.url);
    const topic = await makeTopic(log);
    await appendUntilStored(log, topic, records(numbered(0, 10)));
    await broker.kill9();
    const bytes = readFileSync(appendOnlyFile(broker));
    const [, , third] = lastTransaction(bytes);
    writeFileSync(appendOnlyFile(broker), bytes.subarray(0, (third as number) + 5));
    await broker.start();
    await using other = await openDriver(options, broker.url);
    const made = await other.ensureTopic(wantedTopic(), 'create', soon());
    await broker.kill9();
    await broker.start();
    await using last = await openDriver(options, broker.url);
    assert.deepEqual(
      (await last.topics([made.name], soon())).map(({ incarnation }) => incarnation),
      [made.incarnation],
    );
  });

  const settling = (settlement: Omit<Settlement, 'token'> & { readonly verdict: string }) =>
    async function settle(reader: Reader): Promise<void> {
      const { token } = reader.find('a');
      await reader.member.settle([{ ...settlement, token } as Settlement]);
    };
  const steps: readonly [what: string, (reader: Reader) => Promise<void>][] = [
    ['making a dead letter', settling({ verdict: 'dead', state: 's' } as never)],
    ['trying again later', settling({ verdict: 'again', delayMs: 100, state: 's' } as never)],
    [
      'handing out what was given back',
      async (reader) => {
        const { token } = reader.find('a');
        await reader.member.settle([{ token, verdict: 'back', state: 's' }]);
        await reader.take(2);
      },
    ],
  ];
  for (const [what, step] of steps)
    it(`loses no document in ${what}`, async () => {
      await using broker = await startRedis();
      await using driver = await openDriver(options, broker.url);
      const { topic } = await subscription(driver);
      await publish(driver, topic, 0, 'a');
      const reader = await consume(driver, topic);
      await reader.take(1);
      await step(reader);
      await broker.kill9();
      const bytes = readFileSync(appendOnlyFile(broker));
      const begins = lastTransaction(bytes);
      assert.ok(begins.length > 2, 'it is one transaction');
      for (const begin of begins.slice(1)) {
        await startTorn(broker, bytes.subarray(0, begin + 5), connectAndClose);
        await using after = await openDriver(options, broker.url);
        const main = await consume(after, topic);
        const dead = await consume(after, topic, 'dead');
        await Promise.race([main.take(1), dead.take(1)]);
        await broker.kill9();
      }
    });
});
