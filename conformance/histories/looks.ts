import type { CaseContext } from '../src/context.ts';
import { bare, digestOf, topicOf } from '../src/document.ts';
import type { LettersOp, ReadOp } from '../src/history.ts';
import type { PlainTopic } from '../src/protocol.ts';
import type { Named } from './world.ts';

/** Notes the stored pointers of a group as they are now. */
export async function look(context: CaseContext, topic: PlainTopic, group: string): Promise<void> {
  const seen = { f: 'look', process: 'suite', topic: `data:${topic.name}`, name: group } as const;
  await context.history.during({ ...seen, pointers: {} }, async (op) => {
    op.pointers = await context.bus.data.pointers(bare(topic), group);
    // What was handled before they were written has been told by then.
    await context.sync();
  });
}

/** Notes everything that a data topic holds. */
export async function readAll(context: CaseContext, topic: PlainTopic): Promise<void> {
  const read = { f: 'read', process: 'suite', topic: `data:${topic.name}` } as const;
  await context.history.during({ ...read, entries: [] }, async (op) => {
    const entries: ReadOp['entries'][number][] = [];
    for await (const entry of context.bus.data.read(topicOf(topic))) {
      if (entry.error !== undefined) throw entry.error;
      const { document, attributes, position } = entry;
      entries.push({ position, id: attributes.id, whole: digestOf(document, attributes) });
    }
    op.entries = entries;
  });
}

/** Notes the dead letters of a subscription or group. */
export async function listLetters(context: CaseContext, named: Named): Promise<void> {
  const { kind, topic, name } = named;
  const listing = { f: 'letters', process: 'suite', topic: `${kind}:${topic.name}`, name } as const;
  await context.history.during({ ...listing, letters: [] }, async (op) => {
    const half = kind === 'event' ? context.bus.events : context.bus.data;
    const letters: LettersOp['letters'][number][] = [];
    for await (const { identity, id } of half.deadLetters(bare(topic), name))
      letters.push({ identity, id });
    op.letters = letters;
  });
}
