import { type Bus, BusError } from '@duobus/core';
import { topicOf } from './document.ts';
import type { Kind, Outgoing, PlainTopic, Published } from './protocol.ts';

/** Publishes in the order given, all at once, and tells of each what became of it. */
export async function publishAll(
  bus: Bus,
  kind: Kind,
  plain: PlainTopic,
  documents: readonly Outgoing[],
): Promise<readonly Published[]> {
  const topic = topicOf(plain);
  const half = kind === 'event' ? bus.events : bus.data;
  return Promise.all(
    documents.map(async ({ id, document }): Promise<Published> => {
      try {
        return { type: 'ok', receipt: await half.publish(topic, document, { id }) };
      } catch (error) {
        const rejected =
          error instanceof TypeError || (BusError.is(error) && error.outcome === 'rejected');
        return {
          type: rejected ? 'fail' : 'info',
          message: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
        };
      }
    }),
  );
}
