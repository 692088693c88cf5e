import type { OutboundRecord, Settlement } from '@duobus/core/driver';
import { type Consumed, type Defect, inQueueMember, type Mutant, operator } from './mutant.ts';
import { mapQueue } from './records.ts';

/** The state of a document that nothing has happened to. */
const fresh = JSON.stringify({ v: 1, f: 0, x: 0, c: 'retry' });

type Way = 'event' | 'event-by-key' | 'event.dead-letters';

function wayOf({ source, topic }: Consumed): Way {
  if (source === 'dead') return 'event.dead-letters';
  return topic.order === 'key' ? 'event-by-key' : 'event';
}

/** Settles one kind of verdict otherwise: `undefined` tells that it is settled and does nothing. */
function settles(
  way: Way,
  verdict: Settlement['verdict'],
  change: (settlement: Settlement) => Settlement | undefined,
): Defect {
  return inQueueMember(() => (member, consumed) => ({
    settle: async (batch) => {
      if (wayOf(consumed) !== way) return member.settle(batch);
      const changed = batch.flatMap((settlement) =>
        settlement.verdict === verdict ? (change(settlement) ?? []) : settlement,
      );
      if (changed.length > 0) await member.settle(changed);
      return batch.map(() => 'settled');
    },
  }));
}

const asDone = ({ token }: Settlement): Settlement => ({ token, verdict: 'done' });
const asBack = ({ token }: Settlement): Settlement => ({ token, verdict: 'back', state: fresh });
const asDead = ({ token }: Settlement): Settlement => ({ token, verdict: 'dead', state: fresh });
const asAgain = ({ token }: Settlement): Settlement => ({
  token,
  verdict: 'again',
  delayMs: 20,
  state: fresh,
});
const asNothing = (): undefined => undefined;
const withoutState = (settlement: Settlement): Settlement =>
  settlement.verdict === 'done' ? settlement : { ...settlement, state: fresh };

/** Only the first of its kind in every call gets through: the others are told that they are settled. */
function onlyOne(verdict: Settlement['verdict']): Defect {
  return inQueueMember(() => (member) => ({
    settle: async (batch) => {
      const kept = batch.find((settlement) => settlement.verdict === verdict);
      const answers = await member.settle(
        batch.map((settlement) =>
          settlement.verdict === verdict && settlement !== kept ? asDone(settlement) : settlement,
        ),
      );
      return answers;
    },
  }));
}

/** What goes wrong when documents are settled. */
export const settlementMutants: readonly Mutant[] = [
  ...operator('settle-as-done', {
    'event.again': ['failure.retried-then-dead', settles('event', 'again', asDone)],
    'event.dead': ['failure.retried-then-dead', settles('event', 'dead', asDone)],
    'event.back': ['clean-close.repeats-nothing', settles('event', 'back', asDone)],
    'event-by-key.dead': [
      'order-by-key.event.dead-letter-releases',
      settles('event-by-key', 'dead', asDone),
    ],
    'event-by-key.back': [
      'order-by-key.event.clean-handovers',
      settles('event-by-key', 'back', asDone),
    ],
    'event.dead-letters.again': [
      'dead-letters.event.list-redrive-purge',
      settles('event.dead-letters', 'again', asDone),
    ],
  }),
  ...operator('settle-as-back', {
    'event.done': ['deletion-on-read', settles('event', 'done', asBack)],
    'event-by-key.done': ['order-by-key.event', settles('event-by-key', 'done', asBack)],
    'event.again': ['failure.retried-then-dead', settles('event', 'again', asBack)],
    'event.dead': ['failure.retried-then-dead', settles('event', 'dead', asBack)],
    'event-by-key.dead': [
      'order-by-key.event.dead-letter-releases',
      settles('event-by-key', 'dead', asBack),
    ],
    'event.dead-letters.done': [
      'dead-letters.event.list-redrive-purge',
      settles('event.dead-letters', 'done', asBack),
    ],
    'event.dead-letters.again': [
      'dead-letters.event.list-redrive-purge',
      settles('event.dead-letters', 'again', asBack),
    ],
  }),
  ...operator('settle-as-dead', {
    'event.done': ['deletion-on-read', settles('event', 'done', asDead)],
    'event-by-key.done': ['order-by-key.event', settles('event-by-key', 'done', asDead)],
    'event.again': ['failure.retried-then-dead', settles('event', 'again', asDead)],
    'event.back': ['clean-close.repeats-nothing', settles('event', 'back', asDead)],
    'event-by-key.back': [
      'order-by-key.event.clean-handovers',
      settles('event-by-key', 'back', asDead),
    ],
  }),
  ...operator('settle-as-again', {
    'event.done': ['deletion-on-read', settles('event', 'done', asAgain)],
    'event.dead': ['failure.retried-then-dead', settles('event', 'dead', asAgain)],
    'event.dead-letters.done': [
      'dead-letters.event.list-redrive-purge',
      settles('event.dead-letters', 'done', asAgain),
    ],
  }),
  ...operator('settle-nothing', {
    'event.done': ['deletion-on-read', settles('event', 'done', asNothing)],
    'event-by-key.done': ['order-by-key.event', settles('event-by-key', 'done', asNothing)],
    'event.again': ['failure.retried-then-dead', settles('event', 'again', asNothing)],
    'event.dead': ['failure.retried-then-dead', settles('event', 'dead', asNothing)],
    'event-by-key.dead': [
      'order-by-key.event.dead-letter-releases',
      settles('event-by-key', 'dead', asNothing),
    ],
    'event.dead-letters.done': [
      'dead-letters.event.list-redrive-purge',
      settles('event.dead-letters', 'done', asNothing),
    ],
    'event.dead-letters.again': [
      'dead-letters.event.list-redrive-purge',
      settles('event.dead-letters', 'again', asNothing),
    ],
  }),
  ...operator('forget-the-state', {
    'event.again': ['failure.retried-then-dead', settles('event', 'again', withoutState)],
    'event.dead': ['failure.retried-then-dead', settles('event', 'dead', withoutState)],
    'event.dead-letters.again': [
      'dead-letters.event.list-redrive-purge',
      settles('event.dead-letters', 'again', withoutState),
    ],
    'event-by-key.note': [
      'order-by-key.event.attempts-survive',
      inQueueMember(() => () => ({ note: async () => 'kept' })),
    ],
    'event.note': [
      'crash.poison-is-dead-lettered',
      inQueueMember(
        () =>
          (member, { topic }) =>
            topic.order === 'key' ? {} : { note: async () => 'kept' },
      ),
    ],
  }),
  ...operator('ignore-the-delay', {
    'event.again': [
      'failure.reject-and-retry-after',
      settles('event', 'again', (settlement) =>
        settlement.verdict === 'again' ? { ...settlement, delayMs: 0 } : settlement,
      ),
    ],
  }),
  ...operator('settle-one-of-a-call', {
    'event.done': ['deletion-on-read', onlyFirstDone()],
    'event.dead': ['dead-letters.event.many-at-once', onlyOne('dead')],
    'event.dead-letters.again': ['dead-letters.event.list-redrive-purge', onlyOne('again')],
  }),
  ...operator('settle-all-before', {
    event: ['crash.returns-the-document', cumulative('event')],
    'event-by-key': ['crash.returns-the-document.by-key', cumulative('event-by-key')],
  }),
  ...operator('say-lost', {
    event: [
      'handle',
      inQueueMember(() => (member) => ({
        settle: async (batch) => (await member.settle(batch)).map(() => 'lost'),
      })),
    ],
  }),
  ...operator('redrive-through-the-topic', {
    'event.dead-letters': ['dead-letters.event.list-redrive-purge', throughTopic(asDone)],
  }),
  ...operator('listing-deletes', {
    'event.dead-letters': ['dead-letters.event.list-redrive-purge', listingDeletes()],
  }),
  ...operator('redrive-and-keep', {
    'event.dead-letters': ['dead-letters.event.list-redrive-purge', throughTopic(asBack)],
  }),
];

/** Of what is handled only the first of every call is settled. */
function onlyFirstDone(): Defect {
  return inQueueMember(() => (member, { source }) => ({
    settle: async (batch) => {
      const first = batch.find(({ verdict }) => verdict === 'done');
      const some = batch.filter(
        (settlement) => source === 'dead' || settlement.verdict !== 'done' || settlement === first,
      );
      if (some.length > 0) await member.settle(some);
      return batch.map(() => 'settled');
    },
  }));
}

/** What a listing leaves unsettled is gone when it ends. */
function listingDeletes(): Defect {
  return inQueueMember(() => (member, { source }) => {
    const tokens: unknown[] = [];
    return {
      receive: async (signal) =>
        mapQueue(await member.receive(signal), (records) => {
          tokens.push(...records.map(({ token }) => token));
          return records;
        }),
      close: async () => {
        if (source === 'dead')
          await member.settle(tokens.map((token) => ({ token, verdict: 'done' })));
        await member.close();
      },
    };
  });
}

/** A redriven document is published, and its dead letter settled otherwise. */
function throughTopic(instead: (settlement: Settlement) => Settlement): Defect {
  return inQueueMember(() => (member, { queue, topic, source }) => {
    const leased = new Map<unknown, OutboundRecord>();
    return {
      receive: async (signal) =>
        mapQueue(await member.receive(signal), (records) => {
          for (const { token, key, headers, body } of records)
            leased.set(token, { key, headers: headers as Record<string, string>, body });
          return records;
        }),
      settle: async (batch) => {
        if (source === 'main') return member.settle(batch);
        const again = batch.flatMap(({ verdict, token }) =>
          verdict === 'again' ? (leased.get(token) ?? []) : [],
        );
        if (again.length > 0) await queue.publish(topic, 0, again, AbortSignal.timeout(5_000));
        return member.settle(
          batch.map((settlement) =>
            settlement.verdict === 'again' ? instead(settlement) : settlement,
          ),
        );
      },
    };
  });
}

/** Settling one settles everything handed out before it. */
function cumulative(way: Way): Defect {
  return inQueueMember(() => (member, consumed) => {
    const order: unknown[] = [];
    return {
      receive: async (signal) =>
        mapQueue(await member.receive(signal), (records) => {
          order.push(...records.map(({ token }) => token));
          return records;
        }),
      settle: async (batch) => {
        const answers = await member.settle(batch);
        const done = batch.filter(({ verdict }) => verdict === 'done');
        const last = Math.max(-1, ...done.map(({ token }) => order.indexOf(token)));
        if (wayOf(consumed) === way && last >= 0)
          await member.settle(
            order.splice(0, last + 1).map((token) => ({ token, verdict: 'done' })),
          );
        return answers;
      },
    };
  });
}
