import { logMutant, type Mutant, queueMutant } from './mutant.ts';
import { everyNth, isDocument, publishInstead } from './records.ts';

/** What goes wrong on the way in. */
export const publishMutants: readonly Mutant[] = [
  queueMutant('publish.drops-every-seventh', 'fan-out', () => {
    const seventh = everyNth(7);
    return (queue) => ({
      publish: (topic, partition, records, signal) =>
        publishInstead(
          records,
          records.filter(() => !seventh()),
          (some) => queue.publish(topic, partition, some, signal),
        ),
    });
  }),
  queueMutant('publish.stores-every-seventh-twice', 'fan-out', () => {
    const seventh = everyNth(7);
    return (queue) => ({
      publish: (topic, partition, records, signal) =>
        publishInstead(
          records,
          records.flatMap((record) => (seventh() ? [record, record] : [record])),
          (some) => queue.publish(topic, partition, some, signal),
        ),
    });
  }),
  queueMutant(
    'publish.confirms-without-storing',
    'publish.truth-over-restart.event',
    () => (queue) => ({
      publish: async (...args) =>
        (await queue.publish(...args)).map(() => ({ status: 'stored' as const })),
    }),
  ),
  queueMutant('publish.reorders-a-batch', 'order-by-key.event', () => (queue) => ({
    publish: (topic, partition, records, signal) =>
      publishInstead(records, records.toReversed(), (some) =>
        queue.publish(topic, partition, some, signal),
      ),
  })),
  queueMutant('publish.spreads-a-key', 'order-by-key.event', () => {
    let next = 0;
    return (queue) => ({
      publish: async (topic, partition, records, signal) => {
        const outcomes = [];
        for (const record of records) {
          next += 1;
          outcomes.push(
            ...(await queue.publish(
              topic,
              topic.order === 'key' ? next % topic.partitions : partition,
              [record],
              signal,
            )),
          );
        }
        return outcomes;
      },
    });
  }),
  queueMutant('publish.loses-a-header', 'envelope.event', () => (queue) => ({
    publish: (topic, partition, records, signal) =>
      queue.publish(
        topic,
        partition,
        records.map((record) => ({
          ...record,
          headers: Object.fromEntries(
            Object.entries(record.headers).filter(([name]) => !name.includes('subject')),
          ),
        })),
        signal,
      ),
  })),
  logMutant('append.drops-every-seventh', 'retained', () => {
    const seventh = everyNth(7);
    return (log) => ({
      append: (topic, partition, records, signal) =>
        publishInstead(
          records,
          records.filter((record) => !isDocument(record) || !seventh()),
          (some) => log.append(topic, partition, some, signal),
        ),
    });
  }),
  logMutant('append.stores-every-seventh-twice', 'retained', () => {
    const seventh = everyNth(7);
    return (log) => ({
      append: (topic, partition, records, signal) =>
        publishInstead(
          records,
          records.flatMap((record) =>
            isDocument(record) && seventh() ? [record, record] : [record],
          ),
          (some) => log.append(topic, partition, some, signal),
        ),
    });
  }),
  logMutant('append.reorders-a-batch', 'order-by-key.data', () => (log) => ({
    append: (topic, partition, records, signal) =>
      publishInstead(records, records.toReversed(), (some) =>
        log.append(topic, partition, some, signal),
      ),
  })),
  logMutant('append.confirms-without-storing', 'publish.truth-over-restart.data', () => (log) => ({
    append: async (...args) =>
      (await log.append(...args)).map((outcome) =>
        outcome.status === 'stored' ? outcome : { status: 'stored' as const },
      ),
  })),
  logMutant('append.tells-the-wrong-place', 'portable-positions', () => (log) => ({
    append: async (...args) =>
      (await log.append(...args)).map((outcome) =>
        outcome.status === 'stored' && outcome.place !== undefined
          ? { ...outcome, place: { ...outcome.place, offset: outcome.place.offset + 1 } }
          : outcome,
      ),
  })),
];
