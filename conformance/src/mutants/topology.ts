import type {
  QueueDriver,
  StoredTopic,
  SubscriptionCounts,
  WantedTopic,
} from '@duobus/core/driver';
import { type Defect, inLog, inQueue, type Mutant, operator } from './mutant.ts';

type Topics = Pick<QueueDriver, 'ensureTopic' | 'topics' | 'alterTopic' | 'names'>;

/** The same in either half. */
const both = (
  change: (driver: Topics) => Partial<Topics>,
): { readonly event: Defect; readonly data: Defect } => ({
  event: inQueue(() => change),
  data: inLog(() => change),
});

const created = (
  change: (stored: StoredTopic, wanted: WantedTopic) => StoredTopic,
): ReturnType<typeof both> =>
  both((driver) => ({
    ensureTopic: async (wanted, mode, signal) => {
      const stored = await driver.ensureTopic(wanted, mode, signal);
      return wanted.compacted ? stored : change(stored, wanted);
    },
  }));

const adopts = created((stored, wanted) => ({ ...wanted, incarnation: stored.incarnation }));
const renews = created((stored) => ({
  ...stored,
  incarnation: Math.random().toString(36).slice(2, 10).padEnd(8, '0'),
}));
const lists = both(() => ({ topics: async () => [] }));
const listsOthers = both((driver) => ({
  names: async (...args) => [...(await driver.names(...args)), 'ghost'],
}));
const listsNone = both(() => ({ names: async () => [] }));

const inspects = (change: (counts: SubscriptionCounts) => SubscriptionCounts): Defect =>
  inQueue(() => (queue) => ({
    inspect: async (...args) => change(await queue.inspect(...args)),
  }));

/** What goes wrong with topics, and with what is told of them. */
export const topologyMutants: readonly Mutant[] = [
  ...operator('adopt-what-is-given', {
    event: ['topic.record.event', adopts.event],
    data: ['topic.record.data', adopts.data],
  }),
  ...operator('new-incarnation-at-every-look', {
    event: ['topic.record.event', renews.event],
    data: ['topic.record.data', renews.data],
  }),
  ...operator('create-in-check-mode', {
    event: [
      'topic.check-mode.event',
      inQueue(() => (queue) => ({
        ensureTopic: (wanted, _, signal) => queue.ensureTopic(wanted, 'create', signal),
      })),
    ],
    'event.subscription': [
      'topic.check-mode.event',
      inQueue(() => (queue) => ({
        ensureSubscription: (topic, name, _, signal) =>
          queue.ensureSubscription(topic, name, 'create', signal),
      })),
    ],
    data: [
      'topic.check-mode.data',
      inLog(() => (log) => ({
        ensureTopic: (wanted, _, signal) => log.ensureTopic(wanted, 'create', signal),
      })),
    ],
  }),
  ...operator('list-nothing', {
    'event.topics': ['topic.record.event', lists.event],
    'data.topics': ['topic.record.data', lists.data],
    'event.names': ['unsubscribe.deletes-close-does-not', listsNone.event],
    'data.names': ['read', listsNone.data],
  }),
  ...operator('list-what-is-not-there', {
    'event.names': ['unsubscribe.deletes-close-does-not', listsOthers.event],
    'data.names': ['read', listsOthers.data],
  }),
  ...operator('alter-nothing', {
    'data.partitions': [
      'topic.alter',
      inLog(() => () => ({ alterTopic: async (_, next) => next })),
    ],
    'data.retention': [
      'topic.retention',
      inLog(() => (log) => ({
        alterTopic: async (current, next, signal) => ({
          ...(await log.alterTopic(current, { ...next, retention: current.retention }, signal)),
          retention: next.retention,
        }),
      })),
    ],
  }),
  ...operator('forget-the-retention', {
    data: [
      'lost-position',
      inLog(() => (log) => ({
        ensureTopic: async (wanted, mode, signal) => ({
          ...(await log.ensureTopic(
            { ...wanted, retention: { maxAgeMs: null, maxBytes: null } },
            mode,
            signal,
          )),
          retention: wanted.retention,
        }),
      })),
    ],
  }),
  ...operator('lie-about-depth', {
    'event.nothing-ready': ['durable-while-away', inspects((counts) => ({ ...counts, ready: 0 }))],
    'event.one-more-ready': [
      'durable-while-away',
      inspects((counts) => ({ ...counts, ready: counts.ready + 1 })),
    ],
    'event.nothing-leased': ['independence', inspects((counts) => ({ ...counts, leased: 0 }))],
    'event.nothing-delayed': [
      'failure.others-go-on',
      inspects((counts) => ({ ...counts, delayed: 0 })),
    ],
    'event.nothing-dead': [
      'failure.retried-then-dead',
      inspects((counts) => ({ ...counts, dead: 0 })),
    ],
    'event.dead-twice': [
      'failure.retried-then-dead',
      inspects((counts) => ({ ...counts, dead: counts.dead * 2 })),
    ],
    'event.somebody-consumes': ['neglected', inspects((counts) => ({ ...counts, consumers: 1 }))],
    'event.nobody-consumes': ['neglected', inspects((counts) => ({ ...counts, consumers: 0 }))],
    'event.of-another-subscription': [
      'independence',
      inQueue(() => (queue) => ({
        inspect: async (topic, name, signal) => {
          const names = await queue.names(topic, signal);
          const other = names.find((one) => one !== name && one !== 'deleted') ?? name;
          await queue.inspect(topic, name, signal);
          return queue.inspect(topic, other, signal);
        },
      })),
    ],
  }),
];
