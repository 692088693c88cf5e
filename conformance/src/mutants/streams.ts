import type { Binding } from '@duobus/core/driver';
import { type Mutant, operator } from './mutant.ts';
import { type Change, type Point, points } from './points.ts';
import { altered, type AnyRecord, everyNth, rebound } from './records.ts';

/** One operator at the points given, with the case that has to find it there. */
function atPoints(
  name: string,
  change: Change,
  killedBy: Partial<Record<Point, string>>,
): readonly Mutant[] {
  return operator(
    name,
    Object.fromEntries(
      Object.entries(killedBy).map(([point, found]) => [
        point,
        [found, points[point as Point](change)],
      ]),
    ),
  );
}

type One = <T extends AnyRecord>(record: T, binding: Binding) => T;

const each =
  (one: One): Change =>
  () =>
  (records, binding) =>
    records.map((record) => one(record, binding));

const attributes =
  (change: (given: Readonly<Record<string, string>>) => object): One =>
  (record, binding) =>
    rebound(record, binding, (given) => ({
      attributes: change(given as unknown as Readonly<Record<string, string>>),
    }));

const data =
  (change: (given: Uint8Array) => Uint8Array): One =>
  (record, binding) =>
    rebound(record, binding, (_, given) => ({ data: change(given) }));

const without = (name: string): One =>
  attributes((given) => Object.fromEntries(Object.entries(given).filter(([key]) => key !== name)));

const withOther = (name: string, change: (value: string) => string): One =>
  attributes((given) =>
    given[name] === undefined ? given : { ...given, [name]: change(given[name]) },
  );

/** Pairs of neighbours. */
const pairs =
  (swap: <T extends AnyRecord>(one: T, two: T) => readonly [T, T]): Change =>
  () =>
  <T extends AnyRecord>(records: readonly T[]) =>
    records.flatMap((record, at) => {
      if (at % 2 === 1) return [];
      const next = records[at + 1];
      return next === undefined ? [record] : swap(record, next);
    });

const forgetsKey: One = (record, binding) =>
  altered(without('partitionkey')(record, binding), { key: undefined });

const changesKey: One = (record, binding) => {
  const change = (key: string): string => `${key}'`;
  const { key } = record;
  return altered(withOther('partitionkey', change)(record, binding), {
    key: key === undefined ? key : change(key),
  });
};

const everywhere = {
  'event.publish': 'envelope.event',
  'event.deliver': 'envelope.event',
  'event.dead-letters': 'envelope.event',
  'data.publish': 'envelope.data',
  'data.deliver': 'envelope.data',
  'data.read': 'envelope.data',
  'data.dead-letters.write': 'envelope.data',
  'data.dead-letters.read': 'envelope.data',
} as const;

const everywhereByKey = {
  ...everywhere,
  'event-by-key.publish': 'order-by-key.event',
  'event-by-key.deliver': 'order-by-key.event',
} as const;

const lists = {
  'event.dead-letters': 'dead-letters.event.list-redrive-purge',
  'data.dead-letters.write': 'dead-letters.data.list-redrive-purge',
  'data.dead-letters.read': 'dead-letters.data.list-redrive-purge',
} as const;

const keys = {
  'event.publish': 'envelope.event',
  'event-by-key.publish': 'order-by-key.event',
  'event.deliver': 'envelope.event',
  'event-by-key.deliver': 'order-by-key.event',
  'data.publish': 'retained',
  'data.deliver': 'retained',
  'data.read': 'envelope.data',
} as const;

const buried = {
  'event.dead-letters': 'envelope.event',
  'data.dead-letters.write': 'envelope.data',
  'data.dead-letters.read': 'envelope.data',
} as const;

const ways = {
  'event.publish': 'fan-out',
  'event-by-key.publish': 'order-by-key.event',
  'event.deliver': 'fan-out',
  'event-by-key.deliver': 'order-by-key.event',
  'data.publish': 'retained',
  'data.deliver': 'retained',
  'data.read': 'retained',
} as const;

const ordered = {
  'event-by-key.publish': 'order-by-key.event',
  'event-by-key.deliver': 'order-by-key.event',
  'data.publish': 'order-by-key.data',
  'data.deliver': 'order-by-key.data',
  'data.read': 'read',
} as const;

const losesNth: Change = () => {
  const third = everyNth(3);
  return (records) => records.filter(() => !third());
};

/** What goes wrong with records on their way, whatever the way. */
export const streamMutants: readonly Mutant[] = [
  ...atPoints('lose-nth', losesNth, { ...ways, ...lists }),
  ...atPoints(
    'lose-the-first-of-several',
    () => (records) => records.slice(records.length > 1 ? 1 : 0),
    {
      ...ways,
      'data.publish': 'order-by-key.data',
      'event.dead-letters': lists['event.dead-letters'],
      'data.dead-letters.read': lists['data.dead-letters.read'],
    },
  ),
  ...atPoints(
    'lose-the-last-of-several',
    () => (records) => records.slice(0, Math.max(records.length - 1, 1)),
    {
      ...ways,
      ...lists,
      'data.publish': 'order-by-key.data',
      'data.dead-letters.write': 'dead-letters.data.many-at-once',
    },
  ),
  ...atPoints(
    'keep-the-newest-of-a-key',
    () => (records) => {
      const newest = new Map(records.map((record) => [record.key, record]));
      return records.filter((record) => newest.get(record.key) === record);
    },
    {
      'event-by-key.publish': 'order-by-key.event',
      'event-by-key.deliver': 'order-by-key.event',
      'data.publish': 'order-by-key.data',
      'data.deliver': 'retained',
      'data.read': 'retained',
    },
  ),
  ...atPoints(
    'repeat-nth',
    () => {
      const third = everyNth(3);
      return (records) => records.flatMap((record) => (third() ? [record, record] : [record]));
    },
    ways,
  ),
  ...atPoints(
    'swap-neighbours',
    pairs((one, two) => [two, one]),
    ordered,
  ),
  ...atPoints('reverse', () => (records) => records.toReversed(), ordered),
  ...atPoints(
    'swap-documents',
    pairs((one, two) => [
      altered(one, { headers: two.headers, body: two.body }),
      altered(two, { headers: one.headers, body: one.body }),
    ]),
    {
      'event-by-key.publish': 'order-by-key.event',
      'event-by-key.deliver': 'order-by-key.event',
      'data.publish': 'order-by-key.data',
      'data.deliver': 'retained',
      'data.read': 'replay-idempotence',
      'event.dead-letters': lists['event.dead-letters'],
      'data.dead-letters.read': lists['data.dead-letters.read'],
    },
  ),
  ...atPoints(
    'spoil-a-bit',
    each(data((given) => given.map((byte, at) => (at === given.length - 1 ? byte ^ 1 : byte)))),
    everywhereByKey,
  ),
  ...atPoints('cut-the-body', each(data((given) => given.slice(0, -1))), everywhereByKey),
  ...atPoints('empty-the-body', each(data(() => new Uint8Array())), everywhereByKey),
  ...atPoints('drop-subject', each(without('subject')), everywhere),
  ...atPoints('drop-extension', each(without('tenant')), everywhere),
  ...atPoints('drop-causation', each(without('causationid')), everywhere),
  ...atPoints('drop-content-type', each(without('datacontenttype')), everywhereByKey),
  ...atPoints('change-time', each(withOther('time', () => '2000-01-01T00:00:00Z')), everywhere),
  ...atPoints(
    'change-text-that-is-not-ascii',
    each(withOther('subject', (text) => Buffer.from(text, 'utf8').toString('latin1'))),
    everywhere,
  ),
  ...atPoints('change-id', each(withOther('id', (id) => `${id}'`)), {
    ...ways,
    'data.read': 'replay-idempotence',
    ...lists,
  }),
  ...atPoints('change-source', each(withOther('source', (from) => `${from}/`)), {
    ...ways,
    'data.read': 'replay-idempotence',
    ...lists,
  }),
  ...atPoints('forget-key', each(forgetsKey), keys),
  ...atPoints('change-key', each(changesKey), keys),
  // The key of a dead letter's own line is its identity: the document's is among its attributes.
  ...atPoints('forget-key', each(without('partitionkey')), buried),
  ...atPoints('change-key', each(withOther('partitionkey', (key) => `${key}'`)), buried),
];
