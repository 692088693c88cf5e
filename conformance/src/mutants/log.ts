import type { LogRecord, Place, StoredPointer } from '@duobus/core/driver';
import { logMemberMutant, logMutant, type Mutant } from './mutant.ts';
import { isDocument, mapLog, spoilt, withoutHeader } from './records.ts';

const shifted = (pointer: StoredPointer | undefined, by: number): StoredPointer | undefined =>
  pointer === undefined
    ? undefined
    : { ...pointer, place: { ...pointer.place, offset: Math.max(pointer.place.offset + by, 0) } };

/** A pointer that an edit writes behind the stored one is where it should not be. */
function seeksBeside(name: string, by: number): Mutant {
  return logMutant(name, 'offset-reset', () => (log) => ({
    edit: (topic, group, change, graceMs, signal) =>
      log.edit(
        topic,
        group,
        async (partition, stored) => {
          const next = await change(partition, stored);
          return stored === undefined ? next : shifted(next, by);
        },
        graceMs,
        signal,
      ),
  }));
}

function handsOutInstead(
  name: string,
  killedBy: string,
  begin: () => (records: readonly LogRecord[], partition: number) => readonly LogRecord[],
): Mutant {
  return logMemberMutant(name, killedBy, () => {
    const change = begin();
    return (member) => ({
      receive: async (signal) => mapLog(await member.receive(signal), change),
    });
  });
}

/** What goes wrong in a log, with pointers and on the way out. */
export const logMutants: readonly Mutant[] = [
  handsOutInstead('log.spoils-a-byte', 'envelope.data', () => (records) => records.map(spoilt)),
  handsOutInstead(
    'log.loses-a-header',
    'envelope.data',
    () => (records) => records.map((record) => withoutHeader(record, 'ce_subject')),
  ),
  handsOutInstead('log.swaps', 'order-by-key.data', () => (records) => records.toReversed()),
  handsOutInstead(
    'log.skips-every-fifth',
    'retained',
    () => (records) => records.filter((record) => !isDocument(record) || record.offset % 5 !== 4),
  ),
  handsOutInstead('log.replay-differs', 'replay-idempotence', () => {
    const seen = new Set<string>();
    return (records, partition) =>
      records.map((record) => {
        const place = `${partition}/${record.offset}/${String(record.headers['ce_id'])}`;
        if (!seen.has(place)) {
          seen.add(place);
          return record;
        }
        return { ...record, headers: { ...record.headers, ce_time: '2000-01-01T00:00:00Z' } };
      });
  }),
  handsOutInstead('log.keeps-the-newest-of-a-key', 'retained', () => (records) => {
    const newest = new Map(records.map((record) => [record.key, record.offset]));
    return records.filter(
      (record) => !isDocument(record) || newest.get(record.key) === record.offset,
    );
  }),
  seeksBeside('reset.one-after', 1),
  seeksBeside('reset.one-before', -1),
  logMutant('reset.looks-before-it-owns', 'reset.under-traffic', () => (log) => ({
    edit: async (topic, group, change, graceMs, signal) => {
      const stored = await log.pointers(topic, group, signal);
      const early: (StoredPointer | undefined)[] = [];
      for (const [partition, one] of stored.entries()) early.push(await change(partition, one));
      return log.edit(topic, group, (partition) => early[partition], graceMs, signal);
    },
  })),
  logMutant('reset.does-nothing', 'offset-reset', () => (log) => ({
    edit: async (topic, group, change, graceMs, signal) =>
      log.edit(
        topic,
        group,
        async (partition, stored) => {
          const next = await change(partition, stored);
          return stored === undefined ? next : undefined;
        },
        graceMs,
        signal,
      ),
  })),
  logMutant('reset.moves-every-group', 'isolation', () => (log) => ({
    edit: async (topic, group, change, graceMs, signal) => {
      const others = (await log.names(topic, signal)).filter((name) => name !== group);
      const known = new Map<number, StoredPointer>();
      const result = await log.edit(
        topic,
        group,
        async (partition, stored) => {
          const next = await change(partition, stored);
          if (stored !== undefined && next !== undefined) known.set(partition, next);
          return next;
        },
        graceMs,
        signal,
      );
      for (const other of others)
        await log.edit(topic, other, (partition) => known.get(partition), graceMs, signal);
      return result;
    },
  })),
  logMutant('groups.share-a-pointer', 'retained', () => (log) => ({
    join: (topic, _, as, signal) => log.join(topic, 'all', as, signal),
    pointers: (topic, _, signal) => log.pointers(topic, 'all', signal),
    edit: (topic, _, ...rest) => log.edit(topic, 'all', ...rest),
    removeGroup: async () => undefined,
  })),
  logMutant('groups.are-not-removed', 'dead-letters.refuse-removal', () => () => ({
    removeGroup: async () => undefined,
  })),
  logMutant('groups.removed-while-running', 'dead-letters.refuse-removal', () => (log) => ({
    removeGroup: async (topic, group, signal) =>
      log.removeGroup(topic, group, signal).catch(() => undefined),
  })),
  logMemberMutant('commit.is-ignored', 'own-pointer', () => {
    const begun = new Set<string>();
    return (member, { topic, group }) => ({
      commit: async (writes) => {
        // The start of a group still gets through.
        const first = writes.filter(
          ({ partition }) => !begun.has(`${topic}/${group}/${partition}`),
        );
        for (const { partition } of first) begun.add(`${topic}/${group}/${partition}`);
        await member.commit(first);
        return writes.map(() => 'ok');
      },
    });
  }),
  logMemberMutant(
    'commit.forgets-what-is-done-beyond',
    'commit.skips-what-is-done',
    () => (member) => ({
      commit: (writes) =>
        member.commit(
          writes.map((write) => ({
            ...write,
            pointer: { ...write.pointer, text: withoutDone(write.pointer.text) },
          })),
        ),
    }),
  ),
  logMemberMutant('commit.one-too-far', 'commit.skips-what-is-done', () => (member) => ({
    commit: (writes) =>
      member.commit(
        writes.map((write) => ({ ...write, pointer: shifted(write.pointer, 1) as StoredPointer })),
      ),
  })),
  logMutant('append.one-dead-letter-of-a-call', 'dead-letters.data.many-at-once', () => (log) => ({
    append: async (topic, partition, records, signal) => {
      if (!topic.compacted) return log.append(topic, partition, records, signal);
      const outcomes = await log.append(topic, partition, records.slice(0, 1), signal);
      return records.map((_, index) => outcomes[index] ?? { status: 'stored' });
    },
  })),
  logMutant('read.misses-the-last', 'read', () => (log) => ({
    read: async (...args) => {
      const result = await log.read(...args);
      return result.atEnd && result.records.length > 1 && result.records.every(isDocument)
        ? { ...result, records: result.records.slice(0, -1) }
        : result;
    },
  })),
  logMutant('bounds.latest-is-earliest', 'start.from', () => (log) => ({
    bounds: async (...args) =>
      (await log.bounds(...args)).map(({ first }) => ({ first, end: first })),
  })),
  logMutant('places.a-time-is-late', 'start.from', () => (log) => ({
    placesAt: async (topic, timeMs, signal) => {
      const bounds = await log.bounds(topic, signal);
      const later = ({ offset, time }: Place, partition: number): Place => ({
        offset: Math.min(offset + 1, bounds[partition]?.end.offset ?? 0),
        time,
      });
      return (await log.placesAt(topic, timeMs, signal)).map(later);
    },
  })),
  logMutant('topic.retention-is-ignored', 'lost-position', () => (log) => ({
    ensureTopic: async (wanted, mode, signal) => ({
      ...(await log.ensureTopic(
        { ...wanted, retention: { maxAgeMs: null, maxBytes: null } },
        mode,
        signal,
      )),
      retention: wanted.retention,
    }),
  })),
  logMutant('topic.partitions-are-not-added', 'topic.alter', () => () => ({
    alterTopic: async (_, next) => next,
  })),
  logMutant('topic.reading-removes', 'retained', () => {
    const floors = new Map<string, number>();
    return (log) => ({
      join: async (topic, group, as, signal) => {
        const member = await log.join(topic, group, as, signal);
        return new Proxy(member, {
          get(target, property) {
            if (property !== 'receive') {
              const value: unknown = Reflect.get(target, property, target);
              return typeof value === 'function'
                ? (value as (...args: unknown[]) => unknown).bind(target)
                : value;
            }
            return async (inner: AbortSignal) =>
              mapLog(await target.receive(inner), (records, partition) => {
                const floor = `${topic.name}/${partition}`;
                const kept = records.filter(({ offset }) => offset >= (floors.get(floor) ?? 0));
                floors.set(
                  floor,
                  Math.max(floors.get(floor) ?? 0, (records.at(-1)?.offset ?? -1) + 1),
                );
                return topic.compacted ? records : kept;
              });
          },
        });
      },
    });
  }),
];

/** A pointer's text without the documents that are done beyond its place. */
function withoutDone(text: string): string {
  const pointer = JSON.parse(text) as Record<string, unknown>;
  for (const name of ['d', 'done']) delete pointer[name];
  return JSON.stringify(pointer);
}
