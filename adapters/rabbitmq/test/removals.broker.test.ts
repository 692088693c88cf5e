import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { testUrl } from '@duobus/brokers';
import type { StoredTopic } from '@duobus/core/driver';
import { DelayQueues } from '../src/delay-queues.ts';
import { BrokerLinks } from '../src/links.ts';
import { readOptions } from '../src/options.ts';
import { RegistryStream } from '../src/registry-stream.ts';
import { TopicRecords } from '../src/topic-records.ts';
import { queuesOf } from '../src/topology.ts';
import { soon, wantedTopic } from './support/driver.ts';

interface Process {
  readonly links: BrokerLinks;
  readonly records: TopicRecords;
}

/** `beforeItsName` is called by a removal when the queues are deleted and the name is not dropped. */
async function started(
  test: TestContext,
  beforeItsName: () => Promise<void> = async () => undefined,
): Promise<Process> {
  const links = new BrokerLinks(readOptions({ url: await testUrl('rabbitmq') }));
  await links.open(soon());
  test.after(() => links.close());
  const registry = new RegistryStream(links);
  const delays = new (class extends DelayQueues {
    override async forget(...args: Parameters<DelayQueues['forget']>): Promise<void> {
      await beforeItsName();
      await super.forget(...args);
    }
  })(links, registry);
  return { links, records: new TopicRecords(links, registry, delays) };
}

/** A topic with a subscription whose removal has come to the point where its name is all that is left. */
async function halfRemoved(test: TestContext): Promise<{
  readonly topic: StoredTopic;
  readonly goOn: () => void;
  readonly removed: Promise<void>;
}> {
  let goOn = (): void => undefined;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  let deleted = (): void => undefined;
  const reached = new Promise<void>((resolve) => (deleted = resolve));
  const { records } = await started(test, () => {
    deleted();
    return gate;
  });
  const topic = await records.ensureTopic(wantedTopic('key', 2), 'create', soon());
  await records.ensureSubscription(topic, 'sub', 'create', soon());
  const removed = records.removeSubscription(topic, 'sub', soon());
  await Promise.race([reached, removed]);
  return { topic, goOn, removed };
}

describe('a subscription that is made while it is removed', () => {
  it('is registered and has its queues when both are over', async (test) => {
    const { topic, goOn, removed } = await halfRemoved(test);
    const { records, links } = await started(test);
    const made = records.ensureSubscription(topic, 'sub', 'create', soon());
    const first = await Promise.race([made, waited(links, queuesOf(topic, 'sub').main(1))]);
    assert.equal(first, 'its queues are there', 'it waits for the end of the removal');
    goOn();
    assert.equal(await made, 'created');
    await removed;
    assert.deepEqual(await records.names(topic, soon()), ['sub']);
    await records.ensureSubscription(topic, 'sub', 'check', soon());
    await records.removeSubscription(topic, 'sub', soon());
    assert.deepEqual(await records.names(topic, soon()), []);
  });
});

/** Resolves when a queue exists. */
async function waited(links: BrokerLinks, queue: string): Promise<string> {
  const signal = soon();
  for (;;) {
    try {
      await links.consume().with('look', signal, (channel) => channel.checkQueue(queue));
      return 'its queues are there';
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Error) || !error.message.includes('NOT_FOUND')) throw error;
    }
  }
}
