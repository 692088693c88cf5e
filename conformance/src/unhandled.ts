import type { History } from './history.ts';

/** Ids of documents that a subscription is sure to get and has not handled yet. */
export function unhandled(history: History, topic: string, name: string): string[] {
  const created = history
    .of('subscribe')
    .find((op) => op.topic === topic && op.name === name && op.type === 'ok');
  if (created === undefined) return [];
  const last = new Map<string, string>();
  for (const op of history.of('deliver')) {
    if (op.topic === topic && op.name === name) last.set(op.id, op.type);
  }
  return history
    .of('publish')
    .filter((op) => op.topic === topic && op.type === 'ok' && op.begun > created.ended)
    .filter(({ id }) => last.get(id) !== 'ok')
    .map(({ id }) => id);
}
