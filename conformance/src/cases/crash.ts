import type { Case } from '../case.ts';
import { topicOf } from '../document.ts';
import { expect, expectDocuments, expectSame, numbers } from '../expect.ts';
import type { Kind } from '../protocol.ts';
import type { Draft } from '../context.ts';
import { listed, lettersOf } from './failure.ts';
import { needsKeyOrder } from './order.ts';

function crashReturns(order: 'none' | 'key'): Case {
  return {
    name: `crash.returns-the-document${order === 'key' ? '.by-key' : ''}`,
    promises:
      'A document whose consumer dies in the middle of it goes to another, which is told that it may have been seen.',
    causes:
      'A lease outlives the connection or process of its member, or `redelivered` is false for what was handed out before.',
    rules: ['E8', 'E12', 'C3'],
    needs: ['event'],
    ...(order === 'key' ? { requires: needsKeyOrder } : {}),
    dies: true,
    async run(context) {
      const topic = context.topic({ order });
      const doomed = await context.mortal();
      const first = await context.consume('event', topic, 'work', {
        member: doomed,
        script: { hang: [3] },
        options: { concurrency: 4 },
      });
      await context.publish('event', topic, drafts(10));
      await context.until(
        'the consumer is in the middle of it',
        () =>
          first.deliveries.some(({ n }) => n === 3) &&
          first.deliveries.filter(({ type }) => type === 'ok').length === 9,
      );
      const { countsLeased, brokerRepeats } = context.bus.events.capabilities;
      if (countsLeased)
        await context.until(
          'what was handled is settled',
          async () => (await context.depth(topic, 'work')).total === 1,
        );
      else await context.elapse(1_000);
      await doomed.crash();
      const second = await context.consume('event', topic, 'work');
      await context.drain('event', topic, 'work');
      expectSame(
        second.deliveries.map(({ n, cause, attempt, redelivered }) => [
          n,
          cause,
          attempt,
          redelivered,
        ]),
        // a broker that repeats by itself does not say which it was
        [[3, brokerRepeats ? 'broker' : 'takeover', 1, true]],
        'what the next consumer is given',
      );
    },
  };
}

function crashPoison(kind: Kind): Case {
  return {
    name: `crash.poison-is-dead-lettered${kind === 'data' ? '.data' : ''}`,
    promises:
      'A document that kills its process again and again becomes a dead letter, and good ones do not.',
    causes:
      '`note` or `commit` answers before its state is durable, or the next member is not given that state.',
    rules: kind === 'event' ? ['C3', 'C4'] : ['C3', 'C4', 'D4'],
    needs: [kind],
    dies: true,
    async run(context) {
      const topic = context.topic({ partitions: 1 });
      const options = { maxCrashes: 2, concurrency: 4 };
      const letters = lettersOf(context, kind, topic, 'work');
      const keeper = await context.consume(kind, topic, 'work');
      await keeper.close();
      await context.publish(kind, topic, drafts(5));
      // Of the deaths only those count at which the document was alone with its try: the first may have had company.
      for (let death = 1; death <= 4; death += 1) {
        const doomed = await context.mortal();
        const victim = await context.consume(kind, topic, 'work', {
          member: doomed,
          script: { hang: [3] },
          options,
        });
        await context.until(
          `the document kills consumer ${death}${death > 2 ? ', or is dead' : ''}`,
          async () =>
            victim.deliveries.some(({ n }) => n === 3) ||
            (death > 2 && (await listed(letters)).length > 0),
        );
        await doomed.crash();
        if (death >= 2 && (await listed(letters)).length > 0) break;
      }
      const rest = await context.consume(kind, topic, 'work', { options });
      await context.drain(kind, topic, 'work');
      expect(
        rest.deliveries.every(({ n }) => n !== 3),
        'the document that kills is not handed out any more',
      );
      expectSame(
        (await listed(letters)).map(({ reason }) => reason),
        ['crash'],
        'the reasons of the dead letters: good documents are not among them',
      );
    },
  };
}

const drafts = (count: number): Draft[] => numbers(1, count).map((n) => ({ n, key: `k${n}` }));

export const groupTakeover: Case = {
  name: 'crash.group-takeover',
  promises: 'When the owner of a partition dies another goes on where its stored pointer says.',
  causes:
    '`assigned` brings another pointer than the last `commit` wrote, or partitions of a dead member are not assigned again.',
  rules: ['D4', 'D9', 'E12'],
  needs: ['data'],
  dies: true,
  async run(context) {
    const topic = context.topic();
    const doomed = await context.mortal();
    const first = await context.consume('data', topic, 'work', {
      member: doomed,
      script: { hang: [5] },
      options: { concurrency: 8 },
    });
    await context.publish(
      'data',
      topic,
      numbers(1, 20).map((n) => ({ n, key: `k${n}` })),
    );
    const done = (): number => first.deliveries.filter(({ type }) => type === 'ok').length;
    await context.until('all but one are handled', () => done() === 19);
    // What was handled before the last write of the pointer must not come again.
    if (context.bus.data.capabilities.dense)
      await context.until(
        'the pointer has been written',
        async () => (await context.bus.data.lag(topicOf(topic), 'work')).records === 1,
      );
    else await context.elapse(1_000);
    await doomed.crash();
    const second = await context.consume('data', topic, 'work');
    await context.drain('data', topic, 'work');
    expectDocuments(
      second.deliveries.map(({ n }) => n),
      [5],
      'what the new owner is given',
    );
    expect(
      second.deliveries.every(({ cause }) => cause === 'takeover'),
      'its cause is takeover',
    );
  },
};

export const standStill: Case = {
  name: 'crash.stand-still',
  promises: 'An owner that stood still and was replaced hands out nothing of what it had.',
  causes:
    '`commit` is not fenced by its token, or a member does not notice that its lease has ended.',
  rules: ['D5', 'D9'],
  needs: ['data'],
  dies: true,
  async run(context) {
    const topic = context.topic({ partitions: 1 });
    const member = await context.mortal();
    const first = await context.consume('data', topic, 'work', {
      member,
      script: { delayMs: 20 },
      options: { concurrency: 1 },
    });
    await context.publish(
      'data',
      topic,
      numbers(1, 200).map((n) => ({ n, key: `k${n}` })),
    );
    await context.until('the owner is in the middle of it', () => first.deliveries.length > 5);
    await member.freeze();
    const second = await context.consume('data', topic, 'work');
    await context.drain('data', topic, 'work');
    await context.reset(topic, 'work', 'latest');
    const before = first.deliveries.length;
    await member.thaw();
    await context.sentinel('data', topic, [first, second]);
    const stale = first.deliveries.slice(before).filter(({ n }) => n <= 200);
    // One may have been begun, and told of only now.
    expect(
      stale.length <= 1,
      `an owner that stood still and was replaced hands out nothing of what it had (${stale.length} documents)`,
    );
  },
};

function restartCase(kind: Kind, how: 'restart' | 'kill9'): Case {
  return {
    name: `publish.truth-over-${how}.${kind}`,
    promises: 'A publish that resolved is not lost when the broker is restarted or killed.',
    causes:
      "The driver resolves before the broker has stored durably, says 'rejected' of what may be stored, or `open` keeps a broken connection.",
    rules: kind === 'event' ? ['E7', 'C2', 'C6'] : ['C2', 'D2', 'C6'],
    needs: [kind],
    alone: (harness) => harness.faults?.[how] !== undefined,
    async run(context) {
      const topic = context.topic();
      const member = await context.member();
      const consumer = await context.consume(kind, topic, 'work', { member });
      const hurt = context.harness.faults?.[how];
      const declared =
        kind === 'event' ? context.bus.events.capabilities : context.bus.data.capabilities;
      const publishing: ReturnType<typeof context.attempt>[] = [];
      const send = (from: number): void => {
        for (let n = from; n < from + 50; n += 1)
          publishing.push(context.attempt(kind, topic, [{ n, key: `k${n % 5}` }], member));
      };
      send(1);
      await context.until('some are confirmed', () =>
        context.history.of('publish').some(({ type }) => type === 'ok'),
      );
      send(51);
      let fault: Promise<void> | undefined;
      if (hurt !== undefined) {
        context.history.mark({
          f: 'fault',
          process: 'suite',
          topic: `${kind}:${topic.name}`,
          name: 'work',
        });
        fault = hurt();
      }
      send(101);
      await fault;
      send(151);
      const outcomes = (await Promise.all(publishing)).flat();
      await context.publish(kind, topic, [{ n: 201, key: 'k1' }], member);
      const stored = outcomes.filter(({ op }) => op.type === 'ok').map(({ op }) => op.id);
      const kept = how === 'restart' || declared.durability.processKill || hurt === undefined;
      expect(stored.length > 0, 'some publishes are confirmed');
      await context.until(
        'every confirmed document is handled',
        () => {
          const handled = new Set(
            consumer.deliveries.filter(({ type }) => type === 'ok').map(({ id }) => id),
          );
          return !kept || stored.every((id) => handled.has(id));
        },
        60_000,
      );
      await context.until('the consumer runs again', () => consumer.handle.state === 'running');
    },
  };
}

export const cases: readonly Case[] = [
  crashReturns('none'),
  crashReturns('key'),
  crashPoison('event'),
  crashPoison('data'),
  groupTakeover,
  standStill,
  restartCase('event', 'restart'),
  restartCase('data', 'restart'),
  restartCase('event', 'kill9'),
  restartCase('data', 'kill9'),
];
