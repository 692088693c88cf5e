import type { Case } from '../case.ts';
import { expect, expectSame, numbers, sorted } from '../expect.ts';
import { spread } from './groups.ts';

const concurrentResets: Case = {
  name: 'reset.concurrent',
  promises: 'Of several resets at once the last wins, and earlier callers are told so.',
  causes:
    'Calls of `edit` for a group are not serialised over processes, or `superseded` is never told.',
  rules: ['D5'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 2 });
    const consumer = await context.consume('data', topic, 'work');
    await context.publish('data', topic, spread(1, 20));
    await context.drain('data', topic, 'work');
    const member = await context.member();
    const results = await Promise.all([
      context.reset(topic, 'work', 'earliest'),
      context.reset(topic, 'work', 'earliest', member),
      context.reset(topic, 'work', 'earliest'),
    ]);
    const last = results.filter(({ superseded }) => !superseded);
    expect(last.length >= 1, 'the last of several resets is not superseded');
    await context.drain('data', topic, 'work');
    await context.sentinel('data', topic, [consumer], ['k1', 'k2', 'k3', 'k4']);
    const epochs = new Set(consumer.deliveries.map(({ epoch }) => epoch));
    const final = Math.max(...epochs);
    const seen = consumer.deliveries
      .filter(({ epoch, n }) => epoch === final && n < 1_000_000)
      .map(({ n }) => n);
    expectSame(
      seen.toSorted((a, b) => a - b),
      numbers(1, 20),
      'what the last epoch delivers',
    );
  },
};

/** A reset that waits for the owner is overtaken by a later one, and told so. */
const supersededReset: Case = {
  name: 'reset.superseded',
  promises:
    'A reset that another has overtaken says so, and the group goes where the last one says.',
  causes:
    '`edit` of one caller is not told from that of another, or an older one lands after a newer one.',
  rules: ['D5'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 1 });
    let aborted = false;
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const consumer = await context.consume('data', topic, 'work', {
      handler: async (_, { signal, epoch }) => {
        if (epoch > 0) return;
        signal.addEventListener('abort', () => (aborted = true), { once: true });
        await finished;
      },
    });
    await context.publish('data', topic, spread(1, 5));
    await context.until('a handler runs', () => consumer.deliveries.length > 0);
    const first = context.reset(topic, 'work', 'latest');
    // What they come to is asked at the end.
    first.catch(() => undefined);
    await context.until('the first reset has stopped the owner', () => aborted);
    const second = context.reset(topic, 'work', 'earliest', await context.member());
    second.catch(() => undefined);
    // Nothing shows that the second is waiting: it is given the time to get there.
    await context.elapse(1_000);
    finish();
    expectSame(
      [(await first).superseded, (await second).superseded],
      [true, false],
      'which of two resets is told that another has replaced it',
    );
    await context.drain('data', topic, 'work');
    expectSame(
      sorted(consumer.deliveries.filter(({ epoch }) => epoch === 2).map(({ n }) => n)),
      numbers(1, 5),
      'what the last of two resets leads to',
    );
  },
};

/** What an owner handles while its reset is under way is repeated too, and says so. */
const underTraffic: Case = {
  name: 'reset.under-traffic',
  promises: 'A reset is exact while documents come in and are handled.',
  causes:
    'Records of before the reset arrive under the new token, or a `commit` under an old token lands after `edit`.',
  rules: ['D5', 'E12'],
  needs: ['data'],
  async run(context) {
    const topic = context.topic({ partitions: 1 });
    const consumer = await context.consume('data', topic, 'work', { options: { concurrency: 1 } });
    const over = new AbortController();
    const traffic = (async (): Promise<void> => {
      for (let n = 1; !over.signal.aborted; n += 1)
        await context.publish('data', topic, [{ n, key: 'k' }]);
    })();
    const resets = (async (): Promise<void> => {
      for (let epoch = 0; epoch < 4; epoch += 1) {
        await context.until(
          `ten are handled in epoch ${epoch}`,
          () => consumer.deliveries.filter((op) => op.epoch === epoch).length >= 10,
        );
        await context.reset(topic, 'work', epoch % 2 === 0 ? 'earliest' : 'latest');
      }
    })().finally(() => over.abort());
    await Promise.all([traffic, resets]);
    await context.drain('data', topic, 'work');
    await context.sentinel('data', topic, [consumer]);
  },
};

export const cases: readonly Case[] = [concurrentResets, supersededReset, underTraffic];
