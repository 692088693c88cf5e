import type { Leased, OutboundRecord, QueueEvent, Settlement } from '@duobus/core/driver';
import { type Consumed, type Mutant, queueMemberMutant, queueMutant } from './mutant.ts';
import { mapQueue, spoilt } from './records.ts';

const fresh = JSON.stringify({ v: 1, f: 0, x: 0, c: 'retry' });

/** Settles something else than what it is told to. */
function settlesInstead(
  name: string,
  killedBy: string,
  change: (settlement: Settlement, consumed: Consumed) => Settlement,
): Mutant {
  return queueMemberMutant(name, killedBy, () => (member, consumed) => ({
    settle: (batch) => member.settle(batch.map((settlement) => change(settlement, consumed))),
  }));
}

/** Hands out something else than what it is given. */
function handsOutInstead(
  name: string,
  killedBy: string,
  change: (records: readonly Leased[], consumed: Consumed) => readonly Leased[],
): Mutant {
  return queueMemberMutant(name, killedBy, () => (member, consumed) => ({
    receive: async (signal) =>
      mapQueue(await member.receive(signal), (records) => change(records, consumed)),
  }));
}

/** What goes wrong in a queue and on its way out. */
export const queueMutants: readonly Mutant[] = [
  handsOutInstead('deliver.spoils-a-byte', 'envelope.event', (records) => records.map(spoilt)),
  handsOutInstead('deliver.swaps', 'order-by-key.event', (records, { source }) =>
    source === 'main' ? records.toReversed() : records,
  ),
  handsOutInstead(
    'deliver.returned-come-last',
    'order-by-key.event.clean-handovers',
    (records, { source }) =>
      source === 'main'
        ? [...records.filter(({ state }) => !state), ...records.filter(({ state }) => state)]
        : records,
  ),
  handsOutInstead('deliver.never-says-redelivered', 'crash.returns-the-document', (records) =>
    records.map((record) => ({ ...record, redelivered: false })),
  ),
  settlesInstead('settle.done-is-given-back', 'deletion-on-read', (settlement) =>
    settlement.verdict === 'done'
      ? { token: settlement.token, verdict: 'back', state: fresh }
      : settlement,
  ),
  settlesInstead(
    'settle.dead-letter-is-lost',
    'failure.retried-then-dead',
    ({ token, ...settlement }) =>
      settlement.verdict === 'dead' ? { token, verdict: 'done' } : { token, ...settlement },
  ),
  queueMemberMutant(
    'settle.one-dead-letter-of-a-batch',
    'dead-letters.event.many-at-once',
    () => (member) => ({
      settle: (batch) => {
        const kept = batch.find(({ verdict }) => verdict === 'dead');
        return member.settle(
          batch.map((settlement) =>
            settlement.verdict === 'dead' && settlement !== kept
              ? { token: settlement.token, verdict: 'done' }
              : settlement,
          ),
        );
      },
    }),
  ),
  settlesInstead('settle.dead-letter-comes-again', 'failure.retried-then-dead', (settlement) =>
    settlement.verdict === 'dead'
      ? { token: settlement.token, verdict: 'again', delayMs: 50, state: fresh }
      : settlement,
  ),
  settlesInstead('settle.attempts-are-forgotten', 'failure.retried-then-dead', (settlement) =>
    settlement.verdict === 'again' ? { ...settlement, state: fresh } : settlement,
  ),
  settlesInstead('settle.delay-is-ignored', 'failure.reject-and-retry-after', (settlement) =>
    settlement.verdict === 'again' ? { ...settlement, delayMs: 0 } : settlement,
  ),
  settlesInstead('settle.again-is-lost', 'failure.retried-then-dead', (settlement) =>
    settlement.verdict === 'again' ? { token: settlement.token, verdict: 'done' } : settlement,
  ),
  settlesInstead('settle.back-is-lost', 'clean-close.repeats-nothing', (settlement, { source }) =>
    settlement.verdict === 'back' && source === 'main'
      ? { token: settlement.token, verdict: 'done' }
      : settlement,
  ),
  listingDeletes(),
  settlesInstead(
    'dead-letters.purge-does-nothing',
    'dead-letters.event.list-redrive-purge',
    (settlement, { source }) =>
      source === 'dead' && settlement.verdict === 'done'
        ? { token: settlement.token, verdict: 'back', state: fresh }
        : settlement,
  ),
  redriveThroughTopic(),
  acknowledgesOnDelivery(),
  cumulative(),
  everybodyGetsAll(),
  showsHistory(),
  queueMutant('unsubscribe.keeps-the-queue', 'unsubscribe.deletes-close-does-not', () => () => ({
    removeSubscription: async () => undefined,
  })),
  queueMemberMutant(
    'close.deletes-the-queue',
    'durable-while-away',
    () =>
      (member, { queue, topic, name, source }) => ({
        close: async () => {
          await member.close();
          if (source === 'main')
            await queue.removeSubscription(topic, name, AbortSignal.timeout(1_000));
        },
      }),
  ),
  queueMutant('inspect.says-nothing-is-there', 'durable-while-away', () => (queue) => ({
    inspect: async (...args) => ({ ...(await queue.inspect(...args)), ready: 0 }),
  })),
  queueMutant('inspect.says-somebody-consumes', 'neglected', () => (queue) => ({
    inspect: async (...args) => ({ ...(await queue.inspect(...args)), consumers: 1 }),
  })),
  queueMutant('topic.adopts-what-is-given', 'topic.record.event', () => (queue) => ({
    ensureTopic: async (wanted, mode, signal) => ({
      ...wanted,
      incarnation: (await queue.ensureTopic(wanted, mode, signal)).incarnation,
    }),
  })),
  queueMutant('topic.check-creates', 'topic.check-mode.event', () => (queue) => ({
    ensureTopic: (wanted, _, signal) => queue.ensureTopic(wanted, 'create', signal),
    ensureSubscription: (topic, name, _, signal) =>
      queue.ensureSubscription(topic, name, 'create', signal),
  })),
];

/** What a listing leaves unsettled is gone when it ends. */
function listingDeletes(): Mutant {
  return queueMemberMutant(
    'dead-letters.listing-deletes',
    'dead-letters.event.list-redrive-purge',
    () =>
      (member, { source }) => {
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
      },
  );
}

function redriveThroughTopic(): Mutant {
  return queueMemberMutant(
    'dead-letters.redrive-through-the-topic',
    'dead-letters.event.list-redrive-purge',
    () =>
      (member, { queue, topic, source }) => {
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
            const again = batch
              .filter(({ verdict }) => verdict === 'again')
              .map(({ token }) => leased.get(token) as OutboundRecord);
            if (again.length > 0) await queue.publish(topic, 0, again, AbortSignal.timeout(1_000));
            return member.settle(
              batch.map((settlement) =>
                settlement.verdict === 'again'
                  ? { token: settlement.token, verdict: 'done' }
                  : settlement,
              ),
            );
          },
        };
      },
  );
}

function acknowledgesOnDelivery(): Mutant {
  return queueMemberMutant(
    'deliver.acknowledges-before-the-handler',
    'crash.returns-the-document',
    () =>
      (member, { source }) => ({
        receive: async (signal) => {
          const events = await member.receive(signal);
          const records = events.flatMap((event) =>
            event.type === 'records' && source === 'main' ? event.records : [],
          );
          await member.settle(records.map(({ token }) => ({ token, verdict: 'done' })));
          return events;
        },
        settle: async (batch) => batch.map(() => 'settled'),
      }),
  );
}

function cumulative(): Mutant {
  return queueMemberMutant(
    'settle.acknowledges-all-before',
    'crash.returns-the-document',
    () =>
      (member, { source }) => {
        const order: unknown[] = [];
        return {
          receive: async (signal) =>
            mapQueue(await member.receive(signal), (records) => {
              order.push(...records.map(({ token }) => token));
              return records;
            }),
          settle: async (batch) => {
            const answers = await member.settle(batch);
            const last = Math.max(
              -1,
              ...batch
                .filter(({ verdict }) => verdict === 'done')
                .map(({ token }) => order.indexOf(token)),
            );
            if (source === 'main' && last >= 0)
              await member.settle(
                order.splice(0, last + 1).map((token) => ({ token, verdict: 'done' })),
              );
            return answers;
          },
        };
      },
  );
}

/** Consumers of a subscription do not compete: what one gets, all get. */
function everybodyGetsAll(): Mutant {
  return queueMemberMutant('deliver.to-every-consumer', 'competing-consumers', () => {
    const inboxes = new Map<string, Set<QueueEvent[]>>();
    return (member, { topic, name, source }) => {
      const key = `${topic.name}/${name}/${source}`;
      const all = inboxes.get(key) ?? new Set();
      const extra: QueueEvent[] = [];
      inboxes.set(key, all.add(extra));
      const copies = new Set<unknown>();
      return {
        receive: async (signal) => {
          const events = await member.receive(signal);
          for (const event of events)
            if (event.type === 'records' && source === 'main')
              for (const other of all) if (other !== extra) other.push(event);
          const mine = extra.splice(0).map((event) =>
            event.type === 'records'
              ? {
                  ...event,
                  records: event.records.map((record) => ({ ...record, token: copied(copies) })),
                }
              : event,
          );
          return [...events, ...mine];
        },
        settle: async (batch) => {
          const answers = [
            ...(await member.settle(batch.filter(({ token }) => !copies.has(token)))),
          ];
          return batch.map(({ token }) =>
            copies.has(token) ? 'settled' : (answers.shift() ?? 'settled'),
          );
        },
      };
    };
  });
}

function copied(copies: Set<unknown>): object {
  const token = {};
  copies.add(token);
  return token;
}

/** A new subscription gets what was published before it was there. */
function showsHistory(): Mutant {
  return queueMutant('subscribe.shows-history', 'no-history', () => {
    const published = new Map<string, OutboundRecord[]>();
    const owed = new Map<string, OutboundRecord[]>();
    return (queue) => ({
      publish: async (topic, partition, records, signal) => {
        published.set(topic.name, [...(published.get(topic.name) ?? []), ...records]);
        return queue.publish(topic, partition, records, signal);
      },
      ensureSubscription: async (topic, name, mode, signal) => {
        const answer = await queue.ensureSubscription(topic, name, mode, signal);
        if (answer === 'created')
          owed.set(`${topic.name}/${name}`, published.get(topic.name) ?? []);
        return answer;
      },
      consume: async (topic, name, source, credit, signal) => {
        const member = await queue.consume(topic, name, source, credit, signal);
        const old = owed.get(`${topic.name}/${name}`) ?? [];
        owed.delete(`${topic.name}/${name}`);
        const copies = new Set<unknown>();
        const records = old.map(
          (record): Leased => ({
            ...record,
            token: copied(copies),
            redelivered: false,
            state: undefined,
          }),
        );
        return new Proxy(member, {
          get(target, property) {
            if (property === 'receive' && records.length > 0)
              return async () => [{ type: 'records', partition: 0, records: records.splice(0) }];
            if (property === 'settle')
              return async (batch: readonly Settlement[]) => {
                const answers = [
                  ...(await target.settle(batch.filter(({ token }) => !copies.has(token)))),
                ];
                return batch.map(({ token }) => (copies.has(token) ? 'settled' : answers.shift()));
              };
            const value: unknown = Reflect.get(target, property, target);
            return typeof value === 'function'
              ? (value as (...args: unknown[]) => unknown).bind(target)
              : value;
          },
        });
      },
    });
  });
}
