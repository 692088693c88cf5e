import type {
  Leased,
  OutboundRecord,
  QueueDriver,
  QueueEvent,
  StoredTopic,
} from '@duobus/core/driver';
import { type Defect, inQueue, inQueueMember, type Mutant, operator } from './mutant.ts';
import { ExtraInbox } from './extra-inbox.ts';
import { Copies } from './points.ts';
import { everyNth, later, mapQueue, notStored } from './records.ts';

const never = (): AbortSignal => AbortSignal.timeout(5_000);

/** What goes wrong with queues and their consumers. */
export const queueMutants: readonly Mutant[] = [
  ...operator('settle-before-the-handler', {
    event: ['crash.returns-the-document', settlesEarly('none')],
    'event-by-key': ['crash.returns-the-document.by-key', settlesEarly('key')],
  }),
  ...operator('deliver-after-settled', {
    event: ['fan-out', deliversAgain('none')],
    'event-by-key': ['order-by-key.event', deliversAgain('key')],
  }),
  ...operator('deliver-to-every-consumer', {
    event: ['competing-consumers', everybodyGetsAll()],
  }),
  ...operator('say-redelivered', {
    'event.never': ['crash.returns-the-document', says(false, 'none')],
    'event.always': ['failure.retried-then-dead', says(true, 'none')],
    'event-by-key.never': ['crash.returns-the-document.by-key', says(false, 'key')],
    'event-by-key.always': ['order-by-key.event.dead-letter-releases', says(true, 'key')],
  }),
  ...operator('returned-come-last', {
    'event-by-key': [
      'order-by-key.event.clean-handovers',
      inQueueMember(() => (member, { source }) => ({
        receive: async (signal) =>
          mapQueue(await member.receive(signal), (records) =>
            source === 'main'
              ? [...records.filter(({ state }) => !state), ...records.filter(({ state }) => state)]
              : records,
          ),
      })),
    ],
  }),
  ...operator('swallow-an-event', {
    'event-by-key.revoking': ['order-by-key.event.join-and-leave', swallows('revoking')],
    'event-by-key.assigned': ['order-by-key.event', swallows('assigned')],
    'event.gone': ['unsubscribe.deletes-close-does-not', swallows('gone')],
  }),
  ...operator('ignore-a-call', {
    'event-by-key.release': [
      'order-by-key.event.join-and-leave',
      inQueueMember(() => () => ({ release: async () => undefined })),
    ],
    'event.removeSubscription': [
      'unsubscribe.deletes-close-does-not',
      inQueue(() => () => ({ removeSubscription: async () => undefined })),
    ],
    'event.publish': [
      'publish.truth-over-restart.event',
      inQueue(() => (queue) => ({
        publish: async (...args) =>
          (await queue.publish(...args)).map(() => ({ status: 'stored' as const })),
      })),
    ],
  }),
  ...operator('acknowledge-publish-early', {
    event: ['no-history', publishesLate()],
  }),
  ...operator('reject-what-is-stored', {
    event: [
      'fan-out',
      inQueue(() => {
        const seventh = everyNth(7);
        return (queue) => ({
          publish: async (...args) => {
            const outcomes = await queue.publish(...args);
            return outcomes.map((outcome) =>
              seventh() ? { status: 'rejected' as const, error: notStored } : outcome,
            );
          },
        });
      }),
    ],
  }),
  ...operator('share-a-cursor', {
    event: [
      'fan-out',
      inQueue(() => (queue) => ({
        ensureSubscription: (topic, _, mode, signal) =>
          queue.ensureSubscription(topic, 'all', mode, signal),
        removeSubscription: async () => undefined,
        inspect: (topic, _, signal) => queue.inspect(topic, 'all', signal),
        consume: (topic, _, ...rest) => queue.consume(topic, 'all', ...rest),
      })),
    ],
  }),
  ...operator('wrong-partition', {
    'event-by-key.one-beside': ['order-by-key.event.murmur2', elsewhere((p, n) => (p + 1) % n)],
    'event-by-key.always-the-first': ['order-by-key.event.murmur2', elsewhere(() => 0)],
    'event-by-key.spread': ['order-by-key.event', spreads()],
  }),
  ...operator('show-history', {
    'event.new-subscription': ['no-history', showsHistory(() => true)],
    'event.made-anew': [
      'unsubscribe.deletes-close-does-not',
      showsHistory((_, existedBefore) => existedBefore),
    ],
  }),
  ...operator('lose-what-is-held', {
    'event.at-close': [
      'durable-while-away',
      inQueueMember(() => (member, { queue, topic, name, source }) => ({
        close: async () => {
          await member.close();
          if (source === 'main') await queue.removeSubscription(topic, name, never());
        },
      })),
    ],
    'event.at-subscribe': [
      'subscribe.adds-a-consumer',
      inQueue(() => (queue) => ({
        ensureSubscription: async (topic, name, mode, signal) => {
          const answer = await queue.ensureSubscription(topic, name, mode, signal);
          if (answer === 'created') return answer;
          await queue.removeSubscription(topic, name, signal);
          await queue.ensureSubscription(topic, name, mode, signal);
          return answer;
        },
      })),
    ],
    'event.of-others': [
      'independence',
      inQueue(() => (queue) => ({
        removeSubscription: async (topic, name, signal) => {
          const others = (await queue.names(topic, signal)).filter((other) => other !== name);
          await queue.removeSubscription(topic, name, signal);
          for (const other of others) {
            await queue.removeSubscription(topic, other, signal);
            await queue.ensureSubscription(topic, other, 'create', signal);
          }
        },
      })),
    ],
  }),
  ...operator('lie-about-creation', {
    'event.always-created': ['subscribe.adds-a-consumer', tells('created')],
    'event.always-existed': ['handle', tells('existed')],
  }),
];

function settlesEarly(order: StoredTopic['order']): Defect {
  return inQueueMember(
    () =>
      (member, { source, topic }) =>
        source === 'dead' || topic.order !== order
          ? {}
          : {
              receive: async (signal) => {
                const events = await member.receive(signal);
                const records = events.flatMap((event) =>
                  event.type === 'records' ? event.records : [],
                );
                await member.settle(records.map(({ token }) => ({ token, verdict: 'done' })));
                return events;
              },
              settle: async (batch) => batch.map(() => 'settled'),
            },
  );
}

/** Every third document that is settled comes once more. */
function deliversAgain(order: StoredTopic['order']): Defect {
  return inQueueMember(() => {
    const third = everyNth(3);
    return (member, { source, topic }) => {
      if (source === 'dead' || topic.order !== order) return {};
      const copies = new Copies(member);
      const inbox = new ExtraInbox((signal) => member.receive(signal));
      const leased = new Map<unknown, readonly [number, Leased]>();
      return {
        ...copies.methods,
        receive: async (signal) => {
          const events = await inbox.receive(signal);
          for (const event of events)
            if (event.type === 'records')
              for (const record of event.records)
                leased.set(record.token, [event.partition, record]);
          return events;
        },
        settle: async (batch) => {
          const answers = await copies.methods.settle(batch);
          for (const { token, verdict } of batch) {
            const [partition, record] = leased.get(token) ?? [];
            leased.delete(token);
            if (partition === undefined || record === undefined) continue;
            if (verdict === 'done' && third())
              inbox.push({ type: 'records', partition, records: [copies.of(record)] });
          }
          return answers;
        },
      };
    };
  });
}

/** Consumers of a subscription do not compete: what one gets, all get. */
function everybodyGetsAll(): Defect {
  return inQueueMember(() => {
    const inboxes = new Map<string, Map<ExtraInbox<QueueEvent>, Copies>>();
    return (member, { topic, name, source }) => {
      if (source === 'dead' || topic.order === 'key') return {};
      const key = `${topic.name}/${name}`;
      const all = inboxes.get(key) ?? new Map<ExtraInbox<QueueEvent>, Copies>();
      const copies = new Copies(member);
      const mine: ExtraInbox<QueueEvent> = new ExtraInbox(async (signal) => {
        const events = await member.receive(signal);
        for (const event of events)
          if (event.type === 'records')
            for (const [other, its] of all)
              if (other !== mine)
                other.push({ ...event, records: event.records.map((record) => its.of(record)) });
        return events;
      });
      inboxes.set(key, all.set(mine, copies));
      return { ...copies.methods, receive: (signal) => mine.receive(signal) };
    };
  });
}

function says(redelivered: boolean, order: StoredTopic['order']): Defect {
  return inQueueMember(() => (member, { topic }) => ({
    receive: async (signal) =>
      mapQueue(await member.receive(signal), (records) =>
        topic.order === order ? records.map((record) => ({ ...record, redelivered })) : records,
      ),
  }));
}

function swallows(type: 'revoking' | 'assigned' | 'gone'): Defect {
  return inQueueMember(() => (member) => ({
    receive: async (signal) => {
      for (;;) {
        const events = await member.receive(signal);
        const kept = events.filter((event) => event.type !== type);
        if (kept.length > 0 || events.length === 0) return kept;
      }
    },
  }));
}

/** Says that it is stored and stores it later. */
function publishesLate(): Defect {
  return inQueue(() => (queue) => ({
    publish: async (topic, partition, records) => {
      later(() => queue.publish(topic, partition, records, never()));
      return records.map(() => ({ status: 'stored' }));
    },
  }));
}

function elsewhere(to: (partition: number, count: number) => number): Defect {
  return inQueue(() => (queue) => ({
    publish: (topic, partition, ...rest) =>
      queue.publish(
        topic,
        topic.order === 'key' ? to(partition, topic.partitions) : partition,
        ...rest,
      ),
  }));
}

function spreads(): Defect {
  return inQueue(() => {
    let next = 0;
    return (queue) => ({
      publish: async (topic, partition, records, signal) => {
        if (topic.order !== 'key') return queue.publish(topic, partition, records, signal);
        const outcomes = [];
        for (const record of records) {
          next += 1;
          outcomes.push(...(await queue.publish(topic, next % topic.partitions, [record], signal)));
        }
        return outcomes;
      },
    });
  });
}

function tells(answer: 'created' | 'existed'): Defect {
  return inQueue(() => (queue) => ({
    ensureSubscription: async (...args) => {
      await queue.ensureSubscription(...args);
      return answer;
    },
  }));
}

/** A subscription gets what was published before it was there. */
function showsHistory(owes: (name: string, existedBefore: boolean) => boolean): Defect {
  return inQueue(() => {
    const published = new Map<string, OutboundRecord[]>();
    const names = new Set<string>();
    const owed = new Map<string, readonly OutboundRecord[]>();
    return (queue: QueueDriver) => ({
      publish: (topic, partition, records, signal) => {
        published.set(topic.name, [...(published.get(topic.name) ?? []), ...records]);
        return queue.publish(topic, partition, records, signal);
      },
      ensureSubscription: async (topic, name, mode, signal) => {
        const key = `${topic.name}/${name}`;
        const answer = await queue.ensureSubscription(topic, name, mode, signal);
        if (answer === 'created' && owes(name, names.has(key)))
          owed.set(key, published.get(topic.name) ?? []);
        names.add(key);
        return answer;
      },
      consume: async (topic, name, source, credit, signal) => {
        const member = await queue.consume(topic, name, source, credit, signal);
        const key = `${topic.name}/${name}`;
        const records = [...(owed.get(key) ?? [])];
        if (source === 'dead' || records.length === 0) return member;
        owed.delete(key);
        const copies = new Copies(member);
        let shown = false;
        return new Proxy(member, {
          get(target, property) {
            if (property === 'receive' && !shown) {
              shown = true;
              return async () => [
                {
                  type: 'records',
                  partition: 0,
                  records: records.map((record) =>
                    copies.of({
                      ...record,
                      token: undefined,
                      redelivered: false,
                      state: undefined,
                    }),
                  ),
                },
              ];
            }
            if (property === 'settle' || property === 'note') return copies.methods[property];
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
