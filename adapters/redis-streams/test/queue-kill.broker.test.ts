import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startBroker } from '@duobus/brokers';
import { BusError, type QueueEvent, type StoredTopic } from '@duobus/core/driver';
import { soon } from './support/connection.ts';
import {
  consume,
  eventually,
  idOf,
  openDriver,
  patiently,
  publish,
  type Reader,
  records,
  subscription,
  type TestDriver,
} from './support/queues.ts';

/** Publishes and consumes, as core does, until it is told to stop. */
class Traffic {
  readonly confirmed = new Set<string>();
  readonly handed = new Set<string>();
  readonly settled = new Set<string>();
  readonly #driver: TestDriver;
  readonly #topic: StoredTopic;
  readonly #stopping = new AbortController();
  readonly #running: Promise<unknown>;

  constructor(driver: TestDriver, topic: StoredTopic) {
    this.#driver = driver;
    this.#topic = topic;
    this.#running = Promise.all([this.#publish(), this.#consume()]);
  }

  async more(count: number): Promise<void> {
    const goal = this.confirmed.size + count;
    await eventually(
      async () => this.confirmed.size,
      (size) => size > goal,
    );
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    // wakes who receives
    await publish(this.#driver, this.#topic, 0, 'last');
    this.confirmed.add('last');
    await this.#running;
  }

  async #publish(): Promise<void> {
    for (let n = 0; !this.#stopping.signal.aborted; n += 20) {
      const ids = Array.from({ length: 20 }, (_, at) => `n${n + at}`);
      const batch = records(...ids);
      // the same array until it is known what has become of it
      const send = () => this.#driver.publish(this.#topic, 0, batch, soon());
      for (let known = false; !known; )
        known = (await patiently(this.#driver, send)).every(({ status }) => status === 'stored');
      for (const id of ids) this.confirmed.add(id);
    }
  }

  async #consume(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const reader = await patiently(this.#driver, () => consume(this.#driver, this.#topic));
      try {
        while (!this.#stopping.signal.aborted) {
          const events = await reader.member.receive(soon(60_000));
          for (const event of events) await this.#take(reader, event);
          if (events.some(({ type }) => type === 'lost')) break;
        }
      } catch (error) {
        if (!BusError.is(error)) throw error;
      }
      await reader.member.close();
    }
  }

  async #take(reader: Reader, event: QueueEvent): Promise<void> {
    if (event.type !== 'records') return;
    for (const leased of event.records) this.handed.add(idOf(leased));
    const results = await reader.done(...event.records);
    for (const [at, leased] of event.records.entries())
      if (results[at] === 'settled') this.settled.add(idOf(leased));
  }
}

describe('queues on a Redis that is killed', () => {
  it('lose nothing that was confirmed, with appendfsync always', async () => {
    await using broker = await startBroker('redis', { config: { appendfsync: 'always' } });
    await using driver = await openDriver({ requireAof: 'always' }, broker.url);
    assert.ok(driver.capabilities.durability.processKill);
    await using made = await subscription(driver);
    const { topic } = made;
    await driver.ensureSubscription(topic, 'idle', 'create', soon());
    const traffic = new Traffic(driver, topic);
    for (let killed = 0; killed < 3; killed += 1) {
      await traffic.more(500);
      await broker.kill9();
      await broker.start();
    }
    await traffic.more(100);
    await traffic.stop();
    const { confirmed, handed, settled } = traffic;
    const idle = await driver.inspect(topic, 'idle', soon());
    assert.equal(idle.ready, confirmed.size, 'each is there once for who has read nothing');
    const rest = await consume(driver, topic, 'main', 1_000);
    await rest.until(({ ids }) => {
      const all = new Set([...handed, ...ids]);
      return [...confirmed].every((id) => all.has(id));
    });
    assert.ok(
      rest.ids.every((id) => !settled.has(id)),
      'what was settled does not come again',
    );
    await rest.done(...rest.leased);
    await rest.member.close();
    await driver.removeSubscription(topic, 'idle', soon());
  });
});
