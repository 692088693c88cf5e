import type {
  LogEvent,
  LogMember,
  LogRecord,
  Place,
  StoredPointer,
  StoredTopic,
} from '@duobus/core/driver';
import { type Setup, setup, signal, take, topicRecord } from './drivers.ts';

export const limits: { readonly maxBytes: number; readonly maxWaitMs: number } = {
  maxBytes: 1_000_000,
  maxWaitMs: 0,
};
export const at = (offset: number): Place => ({ offset, time: 0 });
export const pointerAt = (offset: number, note = ''): StoredPointer => ({
  place: at(offset),
  text: note,
});

/** A topic of the data bus. */
export async function logged(
  options: Parameters<typeof setup>[0] = {},
  over: Partial<StoredTopic> = {},
): Promise<Setup & { topic: StoredTopic }> {
  const all = await setup(options);
  const topic = await all.log.ensureTopic(
    topicRecord({ kind: 'data', order: 'key', ...over }),
    'create',
    signal,
  );
  return { ...all, topic };
}

export const records = (events: readonly LogEvent[]): LogRecord[] =>
  events.flatMap((event) => (event.type === 'records' ? event.records : []));
export const types = (events: readonly LogEvent[]): string[] => events.map(({ type }) => type);

/** Takes what is assigned and starts it at its pointer, or at the beginning. */
export async function started(member: LogMember): Promise<Map<number, number>> {
  const tokens = new Map<number, number>();
  for (const event of await take(member)) {
    if (event.type !== 'assigned') continue;
    tokens.set(event.partition, event.token);
    member.start(event.partition, event.token, event.pointer?.place ?? at(0));
  }
  return tokens;
}
