import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Broker, startBroker, startRedisReplica } from '@duobus/brokers';
import {
  BusError,
  type LogDriver,
  type OutboundRecord,
  type Outcome,
  type StoredTopic,
} from '@duobus/core/driver';
import { soon } from './support/connection.ts';
import {
  appendUntilStored,
  eventually,
  type Log,
  makeTopic,
  numbered,
  openLog,
  records,
  statuses,
  textsOf,
} from './support/log.ts';
import { openDriver, subscription, type TestDriver } from './support/queues.ts';
import type { RedisStreamsOptions } from '../src/index.ts';

/** Appends as the runtime would, some calls at a time, until it is told to stop. What was said to be stored is kept. */
class Load {
  readonly acknowledged: string[] = [];
  readonly #size: number;
  #stopped = false;
  #next = 0;
  readonly #lanes: Promise<void>[];

  /** `size`: records in a call. */
  constructor(log: Log, topic: StoredTopic, size: number) {
    const { calls } = log.capabilities.publish;
    this.#size = size;
    this.#lanes = Array.from({ length: calls }, () => this.#lane(log, topic));
  }

  async stop(): Promise<readonly string[]> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
    return this.acknowledged;
  }

  async #lane(log: LogDriver, topic: StoredTopic): Promise<void> {
    while (!this.#stopped) {
      const texts = numbered(this.#next, this.#size);
      this.#next += this.#size;
      if (await untilStored(log, topic, records(texts))) this.acknowledged.push(...texts);
      else return;
    }
  }
}

const errorOf = (outcome: Outcome): unknown =>
  outcome.status === 'stored' ? undefined : outcome.error;

let opening: Promise<void> | undefined;

/** False once the driver is closed. `open` is called by one at a time. */
async function untilStored(
  log: LogDriver,
  topic: StoredTopic,
  batch: readonly OutboundRecord[],
): Promise<boolean> {
  let again = batch;
  let unsure = false;
  for (const signal = soon(60_000); ; ) {
    const outcomes = await log.append(topic, 0, again, signal);
    if (outcomes.every(({ status }) => status === 'stored')) return true;
    if (outcomes.some((outcome) => BusError.is(errorOf(outcome), 'DUOBUS_CLOSED'))) return false;
    // a refusal says nothing about what an earlier try has stored
    unsure ||= outcomes.some(({ status }) => status === 'unknown');
    // what was certainly refused gets a place behind what was stored meanwhile
    if (!unsure) again = [...batch];
    opening ??= log
      .open(signal)
      .catch(() => undefined)
      .finally(() => (opening = undefined));
    await opening;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const twice = (texts: readonly string[]): readonly string[] =>
  texts.filter((text, at) => texts.indexOf(text) !== at);

const missing = (texts: readonly string[], wanted: readonly string[]): readonly string[] => {
  const there = new Set(texts);
  return wanted.filter((text) => !there.has(text));
};

/** Redis 7.0 has no WAITAOF: `open` says so. */
async function isRefusedByOldServers(
  broker: Broker,
  options: RedisStreamsOptions,
): Promise<boolean> {
  if (options.waitAof !== true || Number.parseFloat(broker.version) >= 7.2) return false;
  await assert.rejects(
    openLog(options, broker.url),
    (error) => BusError.is(error, 'DUOBUS_NOT_SUPPORTED') && /no WAITAOF/.test(error.message),
  );
  return true;
}

/** A topic that is stored in by the queue half, which has a subscription to it, or by the log half. */
async function publisherOf(
  kind: 'queue' | 'log',
  options: RedisStreamsOptions,
  url: string,
): Promise<{
  readonly driver: Log | TestDriver;
  batch(records: readonly OutboundRecord[]): Promise<string[]>;
}> {
  // made by others, who do not wait: `options` are for documents
  if (kind === 'log') {
    await using maker = await openLog({}, url);
    const topic = await makeTopic(maker);
    const driver = await openLog(options, url);
    return { driver, batch: async (all) => statuses(await driver.append(topic, 0, all, soon())) };
  }
  await using maker = await openDriver({}, url);
  const { topic } = await subscription(maker);
  const driver = await openDriver(options, url);
  return { driver, batch: async (all) => statuses(await driver.publish(topic, 0, all, soon())) };
}

describe('a Redis that dies', () => {
  const careful = [
    ['that syncs always', 'always', { requireAof: 'always' }, 20],
    // it is waited for up to a second, so that calls have to be large
    ['whose disk is waited for', 'everysec', { waitAof: true }, 500],
  ] as const;
  for (const [which, appendfsync, options, size] of careful)
    it(`${which} has everything it acknowledged after SIGKILL under load, once`, async () => {
      await using broker = await startBroker('redis', { config: { appendfsync } });
      if (await isRefusedByOldServers(broker, options)) return;
      await using log = await openLog(options, broker.url);
      const topic = await makeTopic(log);
      const load = new Load(log, topic, size);
      for (let kills = 0; kills < 3; kills += 1) {
        const before = load.acknowledged.length;
        await eventually(
          async () => load.acknowledged.length,
          (count) => count >= before + 1_000,
        );
        await broker.kill9();
        await broker.start();
      }
      const acknowledged = await load.stop();
      await log.open(soon());
      const texts = await textsOf(log, topic);
      assert.deepEqual(missing(texts, acknowledged), []);
      assert.deepEqual(twice(texts), []);
    });

  it('says that it is not known while its disk has not what is waited for', async () => {
    const options = { waitAof: true, waitTimeoutMs: 100 };
    await using broker = await startBroker('redis', { config: { appendfsync: 'no' } });
    if (await isRefusedByOldServers(broker, options)) return;
    await using careless = await openLog({}, broker.url);
    await using log = await openLog(options, broker.url);
    const topic = await makeTopic(careless);
    const batch = records(['a']);
    const [first] = await log.append(topic, 0, batch, soon());
    assert.ok(first?.status === 'unknown');
    assert.match(first.error.message, /has not written it down, after 100 ms/);
    await broker.ctl('config', 'set', 'appendfsync', 'always');
    assert.deepEqual(statuses(await log.append(topic, 0, batch, soon())), ['stored']);
    assert.deepEqual(await textsOf(log, topic), ['a']);
  });

  it('loses nothing with its master that a replica was waited for', async () => {
    await using broker = await startRedisReplica();
    const [replica] = broker.replicas;
    assert.ok(replica);
    const options = { waitReplicas: 1, waitTimeoutMs: 2_000 };
    const log = await openLog(options, broker.url);
    const topic = await makeTopic(log);
    const load = new Load(log, topic, 20);
    await eventually(
      async () => load.acknowledged.length,
      (count) => count >= 1_000,
    );
    await broker.master.kill9();
    const acknowledged = [...load.acknowledged];
    await broker.promote(replica);
    void load.stop().catch(() => undefined);
    await log.close();
    await using after = await openLog({}, replica.url);
    const texts = await textsOf(after, topic);
    assert.deepEqual(missing(texts, acknowledged), []);
    assert.deepEqual(twice(texts), []);
  });

  it('says that it is not known when no replica is there to be waited for', async () => {
    await using broker = await startBroker('redis');
    const options = { waitReplicas: 1, waitTimeoutMs: 100 };
    await using careless = await openLog({}, broker.url);
    await using log = await openLog(options, broker.url);
    const topic = await makeTopic(careless);
    await assert.rejects(makeTopic(log), (error) => BusError.is(error, 'DUOBUS_UNAVAILABLE'));
    const batch = records(['a']);
    const [first] = await log.append(topic, 0, batch, soon());
    assert.ok(first?.status === 'unknown');
    assert.match(first.error.message, /0 have it after 100 ms/);
    const [again] = await log.append(topic, 0, batch, soon());
    assert.equal(again?.status, 'unknown');
    assert.deepEqual(await textsOf(log, topic), ['a']);
  });

  for (const kind of ['queue', 'log'] as const)
    it(`does not say of its ${kind} over a new connection that a replica has what it has not`, async () => {
      await using broker = await startRedisReplica();
      const [replica] = broker.replicas;
      assert.ok(replica);
      const options = { waitReplicas: 1, waitTimeoutMs: 200 };
      const publish = await publisherOf(kind, options, broker.url);
      await using driver = publish.driver;
      const batch = records(['a']);
      replica.freeze();
      try {
        assert.deepEqual(await publish.batch(batch), ['unknown']);
        driver.native.publishing?.disconnect();
        await eventually(
          async () => publish.batch(batch),
          ([status]) => status === 'rejected',
        );
        await driver.open(soon());
        assert.deepEqual(await publish.batch(batch), ['unknown']);
      } finally {
        replica.thaw();
      }
      await eventually(
        async () => publish.batch(batch),
        ([status]) => status === 'stored',
      );
    });

  it('is not mistaken for its master once it is a replica', async () => {
    await using broker = await startRedisReplica();
    // what the replica has not got is lost when its master becomes its replica
    await using careful = await openLog({ waitReplicas: 1 }, broker.url);
    const topic = await makeTopic(careful);
    await using log = await openLog({}, broker.url);
    const [replica] = broker.replicas;
    const { hostname, port } = new URL(replica?.url ?? '');
    await broker.master.ctl('replicaof', hostname, port);
    const batch = records(['a']);
    const [refused] = await log.append(topic, 0, batch, soon());
    assert.ok(refused?.status === 'rejected' && refused.error.code === 'DUOBUS_UNAVAILABLE');
    await broker.master.ctl('replicaof', 'no', 'one');
    await appendUntilStored(log, topic, records(['b']));
  });
});
