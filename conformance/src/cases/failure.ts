import { type DeadLetter, type DeadLetters, reject, retryAfter } from '@duobus/core';
import type { Case } from '../case.ts';
import { digestOf, stableAttributes, topicOf } from '../document.ts';
import { expect, expectRefused, expectSame, numbers } from '../expect.ts';
import type { CaseContext } from '../context.ts';
import type { Kind, PlainTopic } from '../protocol.ts';

export function lettersOf(
  context: CaseContext,
  kind: Kind,
  topic: PlainTopic,
  name: string,
): DeadLetters {
  return kind === 'event'
    ? context.bus.events.deadLetters(topicOf(topic), name)
    : context.bus.data.deadLetters(topicOf(topic), name);
}

export async function listed(letters: DeadLetters): Promise<DeadLetter[]> {
  const found: DeadLetter[] = [];
  for await (const letter of letters) found.push(letter);
  return found;
}

/** A dead letter is the envelope as it was published: every byte and attribute. */
export function expectOriginal(context: CaseContext, letters: readonly DeadLetter[]): void {
  const published = new Map(context.history.of('publish').map(({ id, digest }) => [id, digest]));
  for (const { id, attributes, data, message } of letters) {
    const document: unknown = JSON.parse(new TextDecoder().decode(data));
    expect(
      attributes !== undefined &&
        published.get(id ?? '') === digestOf(document, stableAttributes(attributes)),
      `the dead letter '${message}' holds the original envelope`,
    );
  }
}

export const retriedThenDead: Case = {
  name: 'failure.retried-then-dead',
  promises:
    'A document that fails is tried again, and after `maxAttempts` it is a dead letter exactly once.',
  causes:
    "`settle` loses the `state` of 'again', in which attempts are counted, or 'dead' leaves the original where it was.",
  rules: ['E6', 'C3', 'C4'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const consumer = await context.consume('event', topic, 'work', {
      script: { fail: { 3: 2, 5: 99 } },
      options: { maxAttempts: 4 },
    });
    await context.publish('event', topic, numbers(1, 10));
    await context.drain('event', topic, 'work');
    const attempts = (n: number): number[] =>
      consumer.deliveries.filter((op) => op.n === n).map(({ attempt }) => attempt);
    expectSame(attempts(1), [1], 'the attempts of a document that is fine');
    expectSame(attempts(3), [1, 2, 3], 'the attempts of a document that fails twice');
    expectSame(attempts(5), [1, 2, 3, 4], 'the attempts of a document that always fails');
    const causes = consumer.deliveries.filter((op) => op.n === 5).map(({ cause }) => cause);
    expectSame(causes, ['first', 'retry', 'retry', 'retry'], 'its causes');
    const dead = await listed(lettersOf(context, 'event', topic, 'work'));
    expectSame(
      dead.map(({ reason, attempts: tries, topic: of, name }) => [reason, tries, of, name]),
      [['attempts', 4, topic.name, 'work']],
      'the dead letters',
    );
    expectSame(
      dead[0]?.id,
      consumer.deliveries.find((op) => op.n === 5)?.id,
      'the id of the dead letter',
    );
    expectOriginal(context, dead);
    expectSame((await context.depth(topic, 'work')).dead, 1, 'the depth of dead letters');
  },
};

/** A backoff has full jitter: of a minute, one in sixty would be over within a second. */
const dayMs = 86_400_000;

export const othersGoOn: Case = {
  name: 'failure.others-go-on',
  promises: 'While one document waits for its retry all others are handled.',
  causes:
    "'again' keeps the record in front of the queue or in the member for `delayMs` instead of putting it aside.",
  rules: ['E6'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const consumer = await context.consume('event', topic, 'work', {
      script: { fail: { 1: 99 } },
      options: { concurrency: 1, backoff: { firstMs: dayMs, factor: 1, maxMs: dayMs } },
    });
    await context.publish('event', topic, numbers(1, 20));
    await context.until(
      'all others are handled while one waits for its retry',
      () => consumer.deliveries.filter(({ type }) => type === 'ok').length === 19,
    );
    await context.until(
      'all are settled: the others for good, the failing one until its retry',
      () => consumer.handle.stats().settled === 20,
    );
    await context.until('the document in retry is held', async () => {
      const { total } = await context.depth(topic, 'work');
      return total >= 1 || !context.bus.events.capabilities.countsLeased;
    });
  },
};

export const rejectAtOnce: Case = {
  name: 'failure.reject-and-retry-after',
  promises: '`reject` makes a dead letter at once, and `retryAfter` waits as long as it says.',
  causes: "`delayMs` of 'again' is ignored, rounded down or taken for seconds.",
  rules: ['C3', 'C4'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    const times: number[] = [];
    const consumer = await context.consume('event', topic, 'work', {
      handler: ({ n }, { attempt }) => {
        if (n === 1) throw reject('no such customer');
        if (n !== 2) return;
        times.push(Date.now());
        if (attempt === 1) throw retryAfter(700);
      },
    });
    await context.publish('event', topic, [1, 2, 3]);
    await context.drain('event', topic, 'work');
    const [first = 0, second = 0] = times;
    expect(
      times.length === 2 && second - first >= 690,
      `retryAfter(700) waits 700 ms (runs at ${times.map((time) => time - first).join(', ')} ms)`,
    );
    const [letter, ...more] = await listed(lettersOf(context, 'event', topic, 'work'));
    expectSame(
      [letter?.reason, letter?.attempts, more.length],
      ['rejected', 1, 0],
      'the dead letter of reject()',
    );
    expect(
      letter?.message.includes('no such customer') === true,
      'the dead letter tells the reason given',
    );
    expectSame(consumer.deliveries.length, 4, 'deliveries');
  },
};

function deadLettersCase(kind: Kind): Case {
  return {
    name: `dead-letters.${kind}.list-redrive-purge`,
    promises:
      'Dead letters can be listed, redriven to their own subscription or group, and purged, one by one.',
    causes:
      kind === 'event'
        ? "A member of 'dead' does not give back what it leased when it closes, says `idle` too early, or 'again' goes through the topic to all."
        : "The topic of a group's dead letters is compacted: `append` does not store a `body` of null, or `read` stops before its end.",
    rules: kind === 'event' ? ['C4', 'E6', 'E12'] : ['C4', 'D10', 'D6'],
    needs: [kind],
    async run(context) {
      const topic = context.topic();
      let mended = false;
      const handler = ({ n }: { readonly n: number }): void => {
        if (n <= 5 && !mended) throw reject(`broken ${n}`);
      };
      const work = await context.consume(kind, topic, 'work', { handler });
      const other = await context.consume(kind, topic, 'other');
      await context.publish(
        kind,
        topic,
        numbers(1, 10).map((n) => ({ n, key: `k${n}` })),
      );
      await context.drain(kind, topic, 'work');
      await context.drain(kind, topic, 'other');
      const letters = lettersOf(context, kind, topic, 'work');
      await context.until('five are dead', async () => (await listed(letters)).length === 5);
      const [once, twice] = [await listed(letters), await listed(letters)];
      expectOriginal(context, once);
      expectSame(
        twice.map(({ identity }) => identity).toSorted(),
        once.map(({ identity }) => identity).toSorted(),
        'a second listing',
      );
      expectSame(
        (await listed(lettersOf(context, kind, topic, 'other'))).length,
        0,
        'dead letters of the other',
      );
      const [one, two] = [once[0] as DeadLetter, once[1] as DeadLetter];
      mended = true;
      context.history.mark({
        f: 'redrive',
        process: 'suite',
        topic: `${kind}:${topic.name}`,
        name: 'work',
      });
      expectSame(await letters.redrive({ identities: [one.identity] }), 1, 'the number redriven');
      await context.until('the redriven document is handled', () =>
        work.deliveries.some(
          ({ id, cause, type }) => id === one.id && cause === 'redrive' && type === 'ok',
        ),
      );
      const redriven = work.deliveries.find(({ cause }) => cause === 'redrive');
      expectSame(redriven?.attempt, 1, 'the attempt of a redriven document');
      expectSame(await letters.purge({ identities: [two.identity] }), 1, 'the number purged');
      context.purged(1);
      await context.until('three are left', async () => (await listed(letters)).length === 3);
      expectSame(
        await letters.purge({ where: ({ attempts }) => attempts === 99 }),
        0,
        'what an empty filter purges',
      );
      expectSame(await letters.redrive(), 3, 'the number of the rest');
      await context.drain(kind, topic, 'work');
      await context.until(
        'all redriven are handled',
        () =>
          work.deliveries.filter(({ cause, type }) => cause === 'redrive' && type === 'ok')
            .length === 4,
      );
      expectSame((await listed(letters)).length, 0, 'what is left in the end');
      expectSame(other.deliveries.length, 10, 'deliveries to the other');
    },
  };
}

/** Documents that die at the same moment: each is a dead letter, by itself. */
function manyDieAtOnce(kind: Kind): Case {
  return {
    name: `dead-letters.${kind}.many-at-once`,
    promises: 'Documents that fail for good at the same moment become a dead letter each.',
    causes:
      kind === 'event'
        ? "`settle` moves only one of several 'dead' verdicts of a batch, or gives two copies one identity."
        : '`append` of several records in one call stores one of them, or answers with fewer outcomes than records.',
    rules: kind === 'event' ? ['C4', 'E6'] : ['C4', 'D10'],
    needs: [kind],
    async run(context) {
      const topic = context.topic({ partitions: 1 });
      const count = 60;
      let begun = 0;
      let dies = (): void => undefined;
      const together = new Promise<void>((resolve) => (dies = resolve));
      const work = await context.consume(kind, topic, 'work', {
        handler: async ({ n }) => {
          begun += 1;
          if (begun === count) dies();
          await together;
          throw reject(`broken ${n}`);
        },
        options: { concurrency: count, brakeAfter: count * 2 },
      });
      await context.publish(
        kind,
        topic,
        numbers(1, count).map((n) => ({ n, key: `k${n}` })),
      );
      await context.drain(kind, topic, 'work');
      const letters = lettersOf(context, kind, topic, 'work');
      const dead = await listed(letters);
      expectSame(
        dead.map(({ message }) => message).toSorted(),
        numbers(1, count)
          .map((n) => `broken ${n}`)
          .toSorted(),
        'the dead letters of documents that died at once',
      );
      expectSame(work.deliveries.length, count, 'deliveries');
      expectSame(await letters.purge(), count, 'the number purged');
      context.purged(count);
      expectSame((await listed(letters)).length, 0, 'what is left in the end');
    },
  };
}

export const refusesWithDeadLetters: Case = {
  name: 'dead-letters.refuse-removal',
  promises: 'What has dead letters is removed only with `discard`.',
  causes:
    '`inspect` does not count dead letters, `removeGroup` ignores running members, or `names` still tells what was removed.',
  rules: ['C4', 'E11', 'D2'],
  needs: ['event', 'data'],
  async run(context) {
    const topic = context.topic();
    const fails = { script: { fail: { 1: 99 } }, options: { maxAttempts: 1 } };
    const consumer = await context.consume('event', topic, 'work', fails);
    const member = await context.consume('data', topic, 'work', fails);
    await context.publish('event', topic, [1]);
    await context.publish('data', topic, [1]);
    await context.drain('event', topic, 'work');
    await context.drain('data', topic, 'work');
    await context.until(
      'both are dead',
      async () =>
        (await listed(lettersOf(context, 'event', topic, 'work'))).length +
          (await listed(lettersOf(context, 'data', topic, 'work'))).length ===
        2,
    );
    await expectRefused(
      'removing a group that runs',
      () => context.bus.data.remove(topicOf(topic), 'work', { discard: true }),
      'DUOBUS_CONFLICT',
    );
    await consumer.close();
    await member.close();
    await expectRefused(
      'unsubscribe with dead letters',
      () => context.bus.events.unsubscribe(topicOf(topic), 'work'),
      'DUOBUS_NOT_EMPTY',
    );
    await expectRefused(
      'removing a group with dead letters',
      () => context.bus.data.remove(topicOf(topic), 'work'),
      'DUOBUS_NOT_EMPTY',
    );
    expectSame(
      (await listed(lettersOf(context, 'event', topic, 'work'))).length,
      1,
      'dead letters after the refusal',
    );
    await context.bus.events.unsubscribe(topicOf(topic), 'work', { discard: true });
    await context.bus.data.remove(topicOf(topic), 'work', { discard: true });
    expectSame(
      await context.bus.events.subscriptions(topicOf(topic)),
      [],
      'subscriptions after the removal',
    );
    expectSame(await context.bus.data.groups(topicOf(topic)), [], 'groups after the removal');
  },
};

export const brake: Case = {
  name: 'brake',
  promises: 'An outage does not turn a backlog into dead letters.',
  causes:
    "Records given back with 'back' come late or not at all, or more than `credit` are handed out before the brake can act.",
  rules: ['C5'],
  needs: ['event'],
  async run(context) {
    const topic = context.topic();
    let outage = true;
    const handler = (): void => {
      if (outage) throw new Error('the database is away');
    };
    const options = { maxAttempts: 1, brakeAfter: 3, brakeMs: 300, concurrency: 1 };
    const consumer = await context.consume('event', topic, 'work', { handler, options });
    await context.publish('event', topic, numbers(1, 30));
    await context.until('the handle says braked', () => consumer.handle.state === 'braked');
    const health = await context.bus.health();
    expect(
      health.handles.some(
        ({ name, topics, state, ok }) =>
          name === 'work' && topics.includes(topic.name) && state === 'braked' && !ok,
      ),
      'health says braked',
    );
    let tried = consumer.deliveries.length;
    await context.until('one more is tried while braked', () => consumer.deliveries.length > tried);
    let dead = 0;
    // those of before the brake may still be on their way to the broker
    await context.until('what failed are dead letters, and one more try adds none', async () => {
      const before = dead;
      ({ dead } = await context.depth(topic, 'work'));
      if (dead === before && consumer.deliveries.length > tried) return dead >= 2;
      if (dead !== before) tried = consumer.deliveries.length;
      return false;
    });
    expect(
      dead >= 2 && dead <= 4,
      `an outage dead-letters about brakeAfter (3) documents, not ${dead}`,
    );
    outage = false;
    await context.drain('event', topic, 'work');
    await context.until('the handle says running again', () => consumer.handle.state === 'running');
    expectSame(
      (await context.depth(topic, 'work')).dead,
      dead,
      'dead letters when the outage is over',
    );
  },
};

export const cases: readonly Case[] = [
  retriedThenDead,
  othersGoOn,
  rejectAtOnce,
  deadLettersCase('event'),
  deadLettersCase('data'),
  manyDieAtOnce('event'),
  manyDieAtOnce('data'),
  refusesWithDeadLetters,
  brake,
];
