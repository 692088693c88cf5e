import type { LogDriver, LogEvent, Place } from '@duobus/core/driver';
import { type Defect, inLog, inLogMember, type Mutant, operator } from './mutant.ts';
import { everyNth, later, moved, notStored } from './records.ts';

/** Answers for the user's topics only: what the runtime keeps for itself is broken elsewhere. */
const bounds = (
  change: (own: { readonly first: Place; readonly end: Place }) => {
    readonly first: Place;
    readonly end: Place;
  },
): Defect =>
  inLog(() => (log) => ({
    bounds: async (topic, signal) => {
      const all = await log.bounds(topic, signal);
      return topic.compacted ? all : all.map(change);
    },
  }));

const placesAt = (change: (place: Place, partition: number, log: LogDriver) => Place): Defect =>
  inLog(() => (log) => ({
    placesAt: async (...args) =>
      (await log.placesAt(...args)).map((place, partition) => change(place, partition, log)),
  }));

const reads = (change: LogDriver['read'], log: LogDriver): Pick<LogDriver, 'read'> => ({
  read: (topic, ...rest) => (topic.compacted ? log.read(topic, ...rest) : change(topic, ...rest)),
});

const swallows = (wanted: (event: LogEvent) => boolean): Defect =>
  inLogMember(() => (member) => ({
    receive: async (signal) => {
      for (;;) {
        const events = await member.receive(signal);
        const kept = events.filter((event) => !wanted(event));
        if (kept.length > 0 || events.length === 0) return kept;
      }
    },
  }));

/** What goes wrong with logs, apart from their records and pointers. */
export const logMutants: readonly Mutant[] = [
  ...operator('wrong-bounds', {
    'data.latest-is-earliest': ['start.from', bounds(({ first }) => ({ first, end: first }))],
    'data.earliest-is-latest': ['retained', bounds(({ end }) => ({ first: end, end }))],
    'data.end-one-before': [
      'start.from',
      bounds(({ first, end }) => ({
        first,
        end: end.offset > first.offset ? moved(end, -1) : end,
      })),
    ],
    'data.end-one-after': ['lag', bounds(({ first, end }) => ({ first, end: moved(end, 1) }))],
    'data.first-one-after': [
      'retained',
      bounds(({ first, end }) => ({
        first: end.offset > first.offset ? moved(first, 1) : first,
        end,
      })),
    ],
  }),
  ...operator('wrong-time', {
    'data.one-after': ['start.from', placesAt((place) => moved(place, 1))],
    'data.one-before': ['start.from', placesAt((place) => moved(place, -1))],
    'data.earliest': ['start.from', placesAt((place) => ({ ...place, offset: 0 }))],
    'data.latest': [
      'start.from',
      inLog(() => (log) => ({
        placesAt: async (topic, _, signal) =>
          (await log.bounds(topic, signal)).map(({ end }) => end),
      })),
    ],
    'data.of-records': [
      'start.from',
      inLog(() => (log) => ({
        read: async (...args) => {
          const result = await log.read(...args);
          return {
            ...result,
            records: result.records.map((record) => ({ ...record, time: record.time + 60_000 })),
          };
        },
      })),
    ],
  }),
  ...operator('read-from-elsewhere', {
    'data.read.one-after': [
      'read',
      inLog(
        () => (log) =>
          reads(
            (topic, partition, from, ...rest) =>
              log.read(topic, partition, moved(from, 1), ...rest),
            log,
          ),
      ),
    ],
    'data.read.the-first': [
      'read',
      inLog(
        () => (log) =>
          reads(
            (topic, partition, from, ...rest) =>
              log.read(topic, partition, { ...from, offset: 0 }, ...rest),
            log,
          ),
      ),
    ],
    'data.read.another-partition': [
      'read',
      inLog(
        () => (log) =>
          reads(
            (topic, partition, ...rest) =>
              log.read(topic, (partition + 1) % topic.partitions, ...rest),
            log,
          ),
      ),
    ],
  }),
  ...operator('wrong-place', {
    'data.publish': ['portable-positions', places((place) => moved(place, 1))],
    'data.publish.none': ['portable-positions', places(() => undefined)],
    'data.deliver': [
      'portable-positions',
      inLogMember(() => (member) => ({
        receive: async (signal) =>
          (await member.receive(signal)).map((event) =>
            event.type === 'records'
              ? {
                  ...event,
                  records: event.records.map((record) => ({
                    ...record,
                    offset: record.offset + 1,
                  })),
                }
              : event,
          ),
      })),
    ],
  }),
  ...operator('wrong-partition', {
    'data.one-beside': ['order-by-key.murmur2', elsewhere((p, n) => (p + 1) % n)],
    'data.always-the-first': ['order-by-key.murmur2', elsewhere(() => 0)],
    'data.spread': ['order-by-key.data', spreads()],
  }),
  ...operator('acknowledge-publish-early', {
    data: [
      'start.applies-once',
      inLog(() => (log) => ({
        append: async (topic, partition, records, signal) => {
          if (topic.compacted) return log.append(topic, partition, records, signal);
          later(() => log.append(topic, partition, records, AbortSignal.timeout(5_000)));
          return records.map(() => ({ status: 'stored' }));
        },
      })),
    ],
  }),
  ...operator('reject-what-is-stored', {
    data: [
      'retained',
      inLog(() => {
        const seventh = everyNth(7);
        return (log) => ({
          append: async (topic, ...rest) =>
            (await log.append(topic, ...rest)).map((outcome) =>
              !topic.compacted && seventh() ? { status: 'rejected', error: notStored } : outcome,
            ),
        });
      }),
    ],
  }),
  ...operator('ignore-a-call', {
    'data.publish': [
      'publish.truth-over-restart.data',
      inLog(() => (log) => ({
        append: async (...args) =>
          (await log.append(...args)).map((outcome) =>
            outcome.status === 'stored' ? outcome : { status: 'stored' as const },
          ),
      })),
    ],
    'data.release': [
      'order-by-key.data.join-and-leave',
      inLogMember(() => () => ({ release: async () => undefined })),
    ],
    'data.removeGroup': [
      'dead-letters.refuse-removal',
      inLog(() => () => ({ removeGroup: async () => undefined })),
    ],
  }),
  ...operator('swallow-an-error', {
    'data.removeGroup': [
      'dead-letters.refuse-removal',
      inLog(() => (log) => ({
        removeGroup: (...args) => log.removeGroup(...args).catch(() => undefined),
      })),
    ],
  }),
  ...operator('swallow-an-event', {
    'data.assigned': [
      'retained',
      swallows((event) => event.type === 'assigned' && event.partition === 1),
    ],
    'data.revoking.rebalance': [
      'order-by-key.data.join-and-leave',
      swallows((event) => event.type === 'revoking' && event.cause === 'rebalance'),
    ],
    'data.revoking.reset': [
      'reset.while-handling',
      swallows((event) => event.type === 'revoking' && event.cause === 'reset'),
    ],
  }),
  ...operator('replay-differs', {
    data: ['replay-idempotence', replayDiffers()],
  }),
  ...operator('reading-removes', {
    data: ['retained', readingRemoves()],
  }),
];

function places(change: (place: Place) => Place | undefined): Defect {
  return inLog(() => (log) => ({
    append: async (...args) =>
      (await log.append(...args)).map((outcome) => {
        if (outcome.status !== 'stored' || outcome.place === undefined) return outcome;
        const place = change(outcome.place);
        return { status: 'stored', ...(place === undefined ? {} : { place }) };
      }),
  }));
}

function elsewhere(to: (partition: number, count: number) => number): Defect {
  return inLog(() => (log) => ({
    append: (topic, partition, ...rest) =>
      log.append(topic, topic.compacted ? partition : to(partition, topic.partitions), ...rest),
  }));
}

function spreads(): Defect {
  return inLog(() => {
    let next = 0;
    return (log) => ({
      append: async (topic, partition, records, signal) => {
        if (topic.compacted) return log.append(topic, partition, records, signal);
        const outcomes = [];
        for (const record of records) {
          next += 1;
          outcomes.push(...(await log.append(topic, next % topic.partitions, [record], signal)));
        }
        return outcomes;
      },
    });
  });
}

/** A document that is handed out a second time is another. */
function replayDiffers(): Defect {
  return inLogMember(() => {
    const seen = new Set<string>();
    return (member, { topic, log }) => ({
      receive: async (signal) =>
        (await member.receive(signal)).map((event) =>
          event.type !== 'records'
            ? event
            : {
                ...event,
                records: event.records.map((record) => {
                  const place = `${topic.name}/${event.partition}/${record.offset}`;
                  if (!seen.has(place)) {
                    seen.add(place);
                    return record;
                  }
                  const { attributes, data } = log.binding.decode(record);
                  const late = { ...attributes, time: '2000-01-01T00:00:00Z' };
                  return { ...record, ...log.binding.encode(late, data) };
                }),
              },
        ),
    });
  });
}

/** What one group has been given, no other gets. */
function readingRemoves(): Defect {
  return inLogMember(() => {
    const floors = new Map<string, number>();
    return (member, { topic }) => ({
      receive: async (signal) =>
        (await member.receive(signal)).map((event) => {
          if (event.type !== 'records') return event;
          const key = `${topic.name}/${event.partition}`;
          const floor = floors.get(key) ?? 0;
          const last = event.records.at(-1)?.offset ?? -1;
          floors.set(key, Math.max(floor, last + 1));
          return { ...event, records: event.records.filter(({ offset }) => offset >= floor) };
        }),
    });
  });
}
