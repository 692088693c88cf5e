import { expect, expectSame } from '../../expect.ts';
import { Random } from '../../random.ts';
import type { InboxCase } from '../case.ts';
import type { InboxContext } from '../context.ts';

/** How often each of the keys has had its effect. */
async function expectOneEach(
  context: InboxContext,
  base: string,
  keys: readonly string[],
): Promise<void> {
  expectOnes(await context.effects.read(base), keys);
}

function expectOnes(effects: readonly string[], keys: readonly string[]): void {
  const counts = new Map<string, number>();
  for (const effect of effects) counts.set(effect, (counts.get(effect) ?? 0) + 1);
  const wrong = keys.filter((key) => counts.get(key) !== 1);
  const shown = wrong.slice(0, 5).map((key) => `${key}: ${counts.get(key) ?? 0}`);
  expectSame(shown, [], `the keys without exactly one effect, of which there are ${wrong.length}`);
  expectSame(counts.size, keys.length, 'the number of keys with effects');
}

const keysOf = (base: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${base} ${index}`);

export const processCases: readonly InboxCase[] = [
  {
    name: 'processes',
    needs: ['processes'],
    async run(context) {
      const base = context.key();
      const keys = keysOf(base, 60);
      const random = new Random(1);
      const told: string[] = [];
      const children = [1, 2, 3].map(() =>
        context.child(
          { do: 'work', keys: random.shuffle(keys), concurrency: 5, waits: true },
          (report) => {
            if (report.what === 'effect') told.push(report.key);
          },
        ),
      );
      await Promise.all(children.map((child) => child.heard('ready')));
      for (const child of children) child.go();
      await Promise.all(children.map((child) => child.heard('over')));
      if (context.harness.effects === undefined) expectOnes(told, keys);
      else await expectOneEach(context, base, keys);
    },
  },
  {
    name: 'killed-in-a-transaction',
    needs: ['effects', 'processes'],
    async run(context) {
      const store = await context.openTransactional();
      const key = context.key();
      const child = context.child({ do: 'hold', key });
      await child.heard('holding');
      expectSame(await context.effects.read(key), [], 'the effects before the commit');
      await child.kill();
      const result = await context.settle(store, key, (tx) => context.effects.write(tx, key));
      expectSame(result, 'new', 'the answer after the process that ran it was killed');
      expectSame(await context.effects.read(key), [key], 'the committed effects');
    },
  },
  {
    name: 'killed-at-random',
    needs: ['effects', 'processes'],
    async run(context) {
      const base = context.key();
      const keys = keysOf(base, 200);
      const random = new Random(Date.now());
      const settled = new Set<string>();
      const work = (patience: number) => {
        let left = patience;
        const child = context.child(
          { do: 'work', keys: random.shuffle(keys), concurrency: 4 },
          (report) => {
            if (report.what === 'settled') settled.add(report.key);
            left -= 1;
            if (left === 0) void child.kill();
          },
        );
        return child;
      };
      for (let round = 0; round < 4; round += 1) {
        const some = [work(1 + random.below(60)), work(1 + random.below(60))];
        await Promise.all(some.map((child) => child.heard('over')));
        const effects = new Set(await context.effects.read(base));
        const lost = [...settled].filter((key) => !effects.has(key));
        expect(lost.length === 0, `what was settled has had its effect, unlike ${lost[0]}`);
      }
      await work(Number.POSITIVE_INFINITY).heard('over');
      await expectOneEach(context, base, keys);
    },
  },
];
