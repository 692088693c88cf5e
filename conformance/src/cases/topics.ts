import { type Bus, BusError, type TopicInfo } from '@duobus/core';
import type { Case } from '../case.ts';
import { topicOf } from '../document.ts';
import { expect, expectRefused, expectSame, numbers } from '../expect.ts';
import type { Kind } from '../protocol.ts';
import { handled } from './groups.ts';
import { needsKeyOrder } from './order.ts';

const half = (bus: Bus, kind: Kind): Bus['events'] | Bus['data'] =>
  kind === 'event' ? bus.events : bus.data;

function topicRecord(kind: Kind): Case {
  return {
    name: `topic.record.${kind}`,
    promises: 'A topic has one record that all agree on, and options that differ are refused.',
    causes:
      '`ensureTopic` is no compare-and-set, so that racing callers get different records, or it returns what was wanted instead of what is stored.',
    rules: ['C1'],
    needs: [kind],
    async run(context) {
      const topic = context.topic({ partitions: 3 });
      const { topics } = half(context.bus, kind);
      const other = half((await context.member()).bus, kind).topics;
      const [one, two] = await Promise.all([
        topics.ensure(topicOf(topic)),
        other.ensure(topicOf(topic)),
      ]);
      expectSame(one, two, 'what two racing creators are told');
      const plain = topicOf({ name: topic.name, options: {} });
      expectSame(await other.ensure(plain), one, 'what one is told that gives no options');
      expect(
        (await topics.list()).some(
          ({ name, incarnation }) => name === topic.name && incarnation === one.incarnation,
        ),
        'the list holds the topic',
      );
      const kept =
        kind === 'data' ? { retention: { maxAgeMs: 86_400_000 } } : { order: 'key' as const };
      const fresh = half((await context.member()).bus, kind).topics;
      const error = await expectRefused(
        'a topic whose options differ',
        () => fresh.ensure(topicOf({ name: topic.name, options: kept })),
        // Without order by key there is no second order that could differ.
        kind === 'event' && needsKeyOrder(context.bus) !== undefined
          ? 'DUOBUS_NOT_SUPPORTED'
          : 'DUOBUS_TOPIC_MISMATCH',
      );
      expect(
        BusError.is(error) && error.message.includes(topic.name),
        'the mismatch names the topic',
      );
      if (kind === 'data') {
        await expectRefused(
          'another number of partitions',
          () => fresh.ensure(topicOf({ name: topic.name, options: { partitions: 4 } })),
          'DUOBUS_TOPIC_MISMATCH',
        );
        expectSame(one.partitions, 3, 'the stored partitions');
      }
    },
  };
}

function checkMode(kind: Kind): Case {
  return {
    name: `topic.check-mode.${kind}`,
    promises: "With `topology: 'check'` nothing is created, and what is missing is named.",
    causes: "Mode 'check' is ignored, or the client creates what is missing by itself.",
    rules: ['C1'],
    needs: [kind],
    async run(context) {
      const topic = context.topic();
      const { bus } = await context.member({ topology: 'check' });
      const bushalf = half(bus, kind);
      const consume = (): Promise<unknown> =>
        bushalf.subscribe(topicOf(topic), 'work', () => undefined);
      await expectRefused(
        'publish to a topic that is not there',
        () => bushalf.publish(topicOf(topic), { run: context.run, n: 1, key: 'a' }),
        'DUOBUS_NOT_FOUND',
      );
      await expectRefused('subscribe to a topic that is not there', consume, 'DUOBUS_NOT_FOUND');
      expect(
        (await half(context.bus, kind).topics.list()).every(({ name }) => name !== topic.name),
        'nothing was created',
      );
      await half(context.bus, kind).topics.ensure(topicOf(topic));
      if (kind === 'event') {
        const error = await expectRefused(
          'a subscription that is not there',
          consume,
          'DUOBUS_NOT_FOUND',
        );
        expect(String(error).includes('work'), 'the refusal says what is missing');
        await (await context.consume('event', topic, 'work')).close();
      }
      await bushalf.publish(topicOf(topic), { run: 'none', n: 1, key: 'a' });
    },
  };
}

export const alter: Case = {
  name: 'topic.alter',
  promises: 'Partitions can be added while consumers run, and are read from their first document.',
  causes: 'Running members are not given new partitions within 30 s, or read them from the end.',
  rules: ['C1', 'D9'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 1 });
    const consumer = await context.consume('data', topic, 'work', {
      member: await context.member(),
      // For the partitions that are there: what is added has no past that could be left out.
      options: { from: 'latest' },
    });
    await context.publish('data', topic, [{ n: 1, key: 'a' }]);
    await context.drain('data', topic, 'work');
    context.history.mark({
      f: 'alter',
      process: 'suite',
      topic: `data:${topic.name}`,
      name: 'work',
    });
    const plain = topicOf({ name: topic.name, options: {} });
    const altered = await context.bus.data.topics.alter(plain, { partitions: 3 });
    expectSame(altered.partitions, 3, 'partitions after the alteration');
    await expectRefused(
      'fewer partitions',
      () => context.bus.data.topics.alter(plain, { partitions: 2 }),
      'TypeError',
    );
    const wide = { name: topic.name, options: { keyed: true } };
    const drafts = numbers(2, 40).map((n) => ({ n, key: `k${n}` }));
    const fresh = await context.member();
    const receipts = await context.publish('data', wide, drafts, fresh);
    expect(
      new Set(receipts.map(({ partition }) => partition)).size === 3,
      'documents go to the new partitions',
    );
    await context.until(
      'a running member reads the new partitions from their first record',
      () => handled(consumer).length === 41,
      45_000,
    );
    expectSame(
      consumer.handle.stats().partitions.length,
      3,
      'the partitions that the running member owns',
    );
  },
};

/** Of a partition that is added while nobody consumes nothing is missed, wherever the group itself began. */
function addedWhileAway(kind: Kind): Case {
  return {
    name: `topic.alter.while-away.${kind}`,
    promises: 'Of partitions that are added while nobody consumes nothing is missed.',
    causes:
      'A partition that has no stored pointer or queue yet begins at its end, or is not told to the next member.',
    rules: kind === 'event' ? ['C1', 'E4'] : ['C1', 'D3'],
    needs: [kind],
    ...(kind === 'event' ? { requires: needsKeyOrder } : {}),
    async run(context) {
      const topic = context.topic({ order: 'key', partitions: 1 });
      const options = kind === 'data' ? ({ from: 'latest' } as const) : {};
      const before = await context.consume(kind, topic, 'work', { options });
      await before.close();
      const plain = topicOf({ name: topic.name, options: {} });
      const altered = await half(context.bus, kind).topics.alter(plain, { partitions: 3 });
      expectSame(altered.partitions, 3, 'partitions after the alteration');
      const wide = { name: topic.name, options: { keyed: true } };
      const fresh = await context.member();
      const receipts = await context.publish(
        kind,
        wide,
        numbers(1, 30).map((n) => ({ n, key: `k${n}` })),
        fresh,
      );
      expect(
        new Set(receipts.map(({ partition }) => partition)).size === 3,
        'documents go to the new partitions',
      );
      const after = await context.consume(kind, wide, 'work', { member: fresh, options });
      await context.drain(kind, wide, 'work');
      expectSame(handled(after), numbers(1, 30), 'what is handled of all partitions');
    },
  };
}

export const retention: Case = {
  name: 'topic.retention',
  promises: 'Retention is kept with the topic, can be altered, and is told to every process.',
  causes: '`alterTopic` does not store `retention`, or `topics` answers from memory.',
  rules: ['D1', 'C1'],
  needs: ['data'],
  requires: (bus) =>
    bus.data.capabilities.retention.age
      ? undefined
      : {
          what: 'retention by age',
          probe: (context) =>
            context.bus.data.topics.ensure(
              topicOf(context.topic({ retention: { maxAgeMs: 60_000 } })),
            ),
        },
  async run(context) {
    const { topics } = context.bus.data;
    const topic = context.topic({ retention: { maxAgeMs: 3_600_000 } });
    const told = await topics.ensure(topicOf(topic));
    expectSame(told.retention.maxAgeMs, 3_600_000, 'the retention that was asked for');
    const plain = topicOf({ name: topic.name, options: {} });
    const change = (): Promise<TopicInfo> =>
      topics.alter(plain, { retention: { maxAgeMs: 7_200_000 } });
    if (!context.bus.data.capabilities.retention.alter) {
      await expectRefused(
        'altering the retention where that is not declared',
        change,
        'DUOBUS_NOT_SUPPORTED',
      );
      expectSame(
        (await topics.ensure(plain)).retention.maxAgeMs,
        3_600_000,
        'the retention after a refusal',
      );
      return;
    }
    const altered = await change();
    expectSame(
      [altered.retention.maxAgeMs, altered.incarnation],
      [7_200_000, told.incarnation],
      'the record after the alteration',
    );
    const list = await (await context.member()).bus.data.topics.list();
    expectSame(
      list.find(({ name }) => name === topic.name)?.retention,
      altered.retention,
      'what another process is told',
    );
  },
};

export const cases: readonly Case[] = [
  topicRecord('event'),
  topicRecord('data'),
  checkMode('event'),
  checkMode('data'),
  alter,
  addedWhileAway('event'),
  addedWhileAway('data'),
  retention,
];
