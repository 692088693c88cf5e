import type { Leased, QueueEvent, QueueMember, StoredTopic } from '@duobus/core/driver';
import { type Setup, setup, signal, take, topicRecord } from './drivers.ts';

/** A topic with a subscription. */
export async function subscribed(
  options: Parameters<typeof setup>[0] = {},
  over: Partial<StoredTopic> = {},
): Promise<Setup & { topic: StoredTopic }> {
  const all = await setup(options);
  const topic = await all.queue.ensureTopic(topicRecord(over), 'create', signal);
  await all.queue.ensureSubscription(topic, 'billing', 'create', signal);
  return { ...all, topic };
}

export const leased = (events: readonly QueueEvent[]): Leased[] =>
  events.flatMap((event) => (event.type === 'records' ? event.records : []));
export const taken = async (member: QueueMember): Promise<Leased[]> => leased(await take(member));
