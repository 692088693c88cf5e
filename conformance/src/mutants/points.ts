import type { Binding, QueueMember } from '@duobus/core/driver';
import { type Defect, inLog, inLogMember, inQueue, inQueueMember } from './mutant.ts';
import { type AnyRecord, mapLog, mapQueue, publishInstead } from './records.ts';

/** Does something to the records of one call. Begun anew for every run. */
export type Change = () => <T extends AnyRecord>(
  records: readonly T[],
  binding: Binding,
) => readonly T[];

type At = (begin: Change) => Defect;

const published =
  (order: 'none' | 'key'): At =>
  (begin) =>
    inQueue(() => {
      const change = begin();
      return (queue) => ({
        publish: (topic, partition, records, signal) =>
          topic.order === order
            ? publishInstead(records, change(records, queue.binding), (some) =>
                queue.publish(topic, partition, some, signal),
              )
            : queue.publish(topic, partition, records, signal),
      });
    });

/** What is not handed out is settled, what is handed out once more is settled once: nothing else shows the fault. */
const delivered =
  (order: 'none' | 'key'): At =>
  (begin) =>
    inQueueMember(() => {
      const change = begin();
      return (member, { topic, source, queue }) => {
        if (source === 'dead' || topic.order !== order) return {};
        const copies = new Copies(member);
        return {
          ...copies.methods,
          receive: async (signal) => {
            const lost: unknown[] = [];
            const events = mapQueue(await member.receive(signal), (records) => {
              const changed = change(records, queue.binding);
              const kept = new Set(changed.map(({ token }) => token));
              lost.push(...records.map(({ token }) => token).filter((token) => !kept.has(token)));
              return copies.marked(changed);
            });
            await member.settle(lost.map((token) => ({ token, verdict: 'done' })));
            return events;
          },
        };
      };
    });

/** Records handed out once more than the broker has leased them. */
export class Copies {
  readonly #tokens = new Set<unknown>();
  readonly #member: QueueMember;

  constructor(member: QueueMember) {
    this.#member = member;
  }

  /** What the broker knows nothing of must not get to it. */
  readonly methods: Required<Pick<QueueMember, 'settle' | 'note'>> = {
    settle: async (batch) => {
      const own = batch.filter(({ token }) => !this.#tokens.has(token));
      const answers = [...(own.length === 0 ? [] : await this.#member.settle(own))];
      return batch.map(({ token }) =>
        this.#tokens.has(token) ? 'settled' : (answers.shift() ?? 'settled'),
      );
    },
    note: async (token, state) =>
      this.#tokens.has(token) ? 'kept' : this.#member.note(token, state),
  };

  of<T extends { readonly token: unknown }>(record: T): T {
    const token = {};
    this.#tokens.add(token);
    return { ...record, token };
  }

  marked<T extends { readonly token: unknown }>(records: readonly T[]): readonly T[] {
    const seen = new Set<unknown>();
    return records.map((record) => {
      if (seen.has(record.token)) return this.of(record);
      seen.add(record.token);
      return record;
    });
  }
}

const appended =
  (compacted: boolean): At =>
  (begin) =>
    inLog(() => {
      const change = begin();
      return (log) => ({
        append: (topic, partition, records, signal) =>
          topic.compacted === compacted
            ? publishInstead(records, change(records, log.binding), (some) =>
                log.append(topic, partition, some, signal),
              )
            : log.append(topic, partition, records, signal),
      });
    });

const read =
  (compacted: boolean): At =>
  (begin) =>
    inLog(() => {
      const change = begin();
      return (log) => ({
        read: async (topic, ...rest) => {
          const result = await log.read(topic, ...rest);
          return topic.compacted === compacted
            ? { ...result, records: change(result.records, log.binding) }
            : result;
        },
      });
    });

export type Point =
  | 'event.publish'
  | 'event-by-key.publish'
  | 'event.deliver'
  | 'event-by-key.deliver'
  | 'event.dead-letters'
  | 'data.publish'
  | 'data.deliver'
  | 'data.read'
  | 'data.dead-letters.write'
  | 'data.dead-letters.read';

/** Where records pass the seam. */
export const points: Readonly<Record<Point, At>> = {
  'event.publish': published('none'),
  'event-by-key.publish': published('key'),
  'event.deliver': delivered('none'),
  'event-by-key.deliver': delivered('key'),
  'event.dead-letters': (begin) =>
    inQueueMember(() => {
      const change = begin();
      return (member, { source, queue }) =>
        source === 'main'
          ? {}
          : {
              receive: async (signal) =>
                mapQueue(await member.receive(signal), (records) => change(records, queue.binding)),
            };
    }),
  'data.publish': appended(false),
  'data.deliver': (begin) =>
    inLogMember(() => {
      const change = begin();
      return (member, { log }) => ({
        receive: async (signal) =>
          mapLog(await member.receive(signal), (records) => change(records, log.binding)),
      });
    }),
  'data.read': read(false),
  'data.dead-letters.write': appended(true),
  'data.dead-letters.read': read(true),
};
