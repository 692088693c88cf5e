import { randomUUID } from 'node:crypto';
import type { CaseContext } from '../src/context.ts';
import { listLetters, look, readAll } from './looks.ts';
import type { Named, World } from './world.ts';

const keys = ['s0', 's1', 's2', 's3', 's4', 's5'];

/** Lets a history come to its end: everything is handled, handed over once more in an orderly way, and looked at. */
export async function playOut(world: World): Promise<void> {
  const { context } = world;
  await world.caughtUp();
  const all = world.present;
  const groups = all.filter(({ kind }) => kind === 'data');
  const looks = (): Promise<unknown> =>
    Promise.all(groups.map(({ topic, name }) => look(context, topic, name)));
  await consumeAll(world, all);
  await drainAll(context, all);
  world.healed();
  await Promise.all(world.running.map((running) => world.close(running)));
  await looks();
  await consumeAll(world, all);
  await sentinels(world, all);
  await drainAll(context, all);
  await looks();
  for (const named of all) await listLetters(context, named);
  for (const { kind, ...topic } of world.topics)
    if (kind === 'data' && groups.some((group) => group.topic.name === topic.name))
      await readAll(context, topic);
}

async function consumeAll(world: World, all: readonly Named[]): Promise<void> {
  await Promise.all(all.map((named) => world.consume(0, named)));
}

async function drainAll(context: CaseContext, all: readonly Named[]): Promise<void> {
  await Promise.all(all.map(({ kind, topic, name }) => context.drain(kind, topic, name)));
}

/** What was there before them has come, or never will. */
async function sentinels(world: World, all: readonly Named[]): Promise<void> {
  const { context } = world;
  for (const { kind, ...topic } of world.topics) {
    const mine = all.filter((named) => named.topic.name === topic.name);
    if (mine.length === 0) continue;
    const drafts = keys.map((key, index) => ({ n: 1_000_000 + index, key, id: randomUUID() }));
    await context.publish(kind, topic, drafts);
    for (const { name } of mine)
      await context.until(`the last documents of ${topic.name} reach ${name}`, () => {
        const came = new Set(
          context.history
            .of('deliver')
            .filter(
              (op) => op.topic === `${kind}:${topic.name}` && op.name === name && op.type === 'ok',
            )
            .map(({ id }) => id),
        );
        return drafts.every(({ id }) => came.has(id));
      });
  }
}
