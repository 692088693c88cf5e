import type {
  LogDriver,
  LogMember,
  Place,
  PointerChange,
  PointerWrite,
  StoredPointer,
} from '@duobus/core/driver';
import { type Defect, inLog, inLogMember, type Joined, type Mutant, operator } from './mutant.ts';
import { moved } from './records.ts';

const beside = (pointer: StoredPointer, by: number): StoredPointer => ({
  ...pointer,
  place: moved(pointer.place, by),
});

/** A pointer's text with other members: what a pointer store loses when it keeps less than it is given. */
function rewritten(
  pointer: StoredPointer,
  change: (raw: Record<string, unknown>) => Record<string, unknown>,
): StoredPointer {
  if (pointer.text === '') return pointer;
  return {
    ...pointer,
    text: JSON.stringify(change(JSON.parse(pointer.text) as Record<string, unknown>)),
  };
}

const without =
  (...names: readonly string[]) =>
  (pointer: StoredPointer): StoredPointer =>
    rewritten(pointer, (raw) =>
      Object.fromEntries(Object.entries(raw).filter(([name]) => !names.includes(name))),
    );

/** Writes another pointer than the one given. */
const commits = (change: (pointer: StoredPointer, write: PointerWrite) => StoredPointer): Defect =>
  inLogMember(() => (member) => ({
    commit: (writes) =>
      member.commit(writes.map((write) => ({ ...write, pointer: change(write.pointer, write) }))),
  }));

/** Says that pointers are written which are not. The start of a group still gets through. */
const ignoresCommits = (ignored: (write: PointerWrite) => boolean): Defect =>
  inLogMember(() => {
    const begun = new Set<string>();
    return (member, { topic, group }) => ({
      commit: async (writes) => {
        const kept = writes.filter((write) => {
          const key = `${topic.name}/${group}/${write.partition}`;
          if (begun.has(key)) return !ignored(write);
          begun.add(key);
          return true;
        });
        if (kept.length > 0) await member.commit(kept);
        return writes.map(() => 'ok');
      },
    });
  });

type Edit = LogDriver['edit'];

/** The first pointers of a group are written by an edit on some brokers: only what was there before is broken. */
const edits = (
  change: (
    next: StoredPointer | undefined,
    stored: StoredPointer,
    partition: number,
  ) => StoredPointer | undefined,
): Defect =>
  inLog(() => (log) => ({
    edit: (topic, group, asked, ...rest) =>
      log.edit(
        topic,
        group,
        async (partition, stored) => {
          const next = await asked(partition, stored);
          return stored === undefined ? next : change(next, stored, partition);
        },
        ...rest,
      ),
  }));

/** Hands out another pointer with a partition than the stored one. */
const assigns = (
  begin: () => (
    pointer: StoredPointer | undefined,
    partition: number,
    joined: Joined,
  ) => StoredPointer | undefined,
): Defect =>
  inLogMember(() => {
    const change = begin();
    return (member, joined) => ({
      receive: async (signal) =>
        (await member.receive(signal)).map((event) =>
          event.type === 'assigned'
            ? { ...event, pointer: change(event.pointer, event.partition, joined) }
            : event,
        ),
    });
  });

const starts = (change: (place: Place) => Place): Defect =>
  inLogMember(() => (member) => ({
    start: (partition, token, place) => member.start(partition, token, change(place)),
  }));

/** What goes wrong with the pointers of groups. */
export const pointerMutants: readonly Mutant[] = [
  ...operator('seek-one-after', {
    'data.start': ['retained', starts((place) => moved(place, 1))],
    'data.commit': ['commit.skips-what-is-done', commits((pointer) => beside(pointer, 1))],
    'data.reset': ['offset-reset', edits((next) => next && beside(next, 1))],
    'data.assigned': ['own-pointer', assigns(() => (pointer) => pointer && beside(pointer, 1))],
  }),
  ...operator('seek-one-before', {
    'data.start': ['own-pointer', starts((place) => moved(place, -1))],
    'data.commit': ['own-pointer', commits((pointer) => beside(pointer, -1))],
    'data.reset': ['offset-reset', edits((next) => next && beside(next, -1))],
    'data.assigned': ['own-pointer', assigns(() => (pointer) => pointer && beside(pointer, -1))],
  }),
  ...operator('seek-to-the-first', {
    'data.start': ['own-pointer', starts((place) => ({ ...place, offset: 0 }))],
    'data.reset': [
      'offset-reset',
      edits((next) => next && { ...next, place: { ...next.place, offset: 0 } }),
    ],
    'data.assigned': ['own-pointer', assigns(() => () => undefined)],
  }),
  ...operator('reset-does-nothing', {
    'data.reset': ['offset-reset', edits(() => undefined)],
    'data.reset.of-the-first-partition': [
      'offset-reset',
      edits((next, _, partition) => (partition === 0 ? undefined : next)),
    ],
    'data.reset.of-the-last-partition': [
      'offset-reset',
      edits((next, _, partition) => (partition === 1 ? undefined : next)),
    ],
  }),
  ...operator('reset-moves-what-it-does-not-name', {
    'data.reset': [
      'reset.positions-move-only-what-they-name',
      edits((next, stored) => next ?? { ...stored, place: { ...stored.place, offset: 0 } }),
    ],
  }),
  ...operator('seek-moves-another-group', {
    'data.reset': ['isolation', inLog(() => movesEveryGroup)],
    'data.commit': ['isolation', commitsToOthers()],
  }),
  ...operator('look-before-owning', {
    'data.reset': [
      'reset.under-traffic',
      inLog(() => (log) => ({
        edit: async (topic, group, change, graceMs, signal) => {
          const stored = await log.pointers(topic, group, signal);
          const early: (StoredPointer | undefined)[] = [];
          for (const [partition, one] of stored.entries()) early.push(await change(partition, one));
          return log.edit(topic, group, (partition) => early[partition], graceMs, signal);
        },
      })),
    ],
  }),
  ...operator('say-done-early', {
    'data.reset': [
      'reset.while-handling',
      inLog(() => (log) => ({
        edit: async (...args) => {
          setTimeout(() => void log.edit(...args).catch(() => undefined), 50);
          return { superseded: false };
        },
      })),
    ],
  }),
  ...operator('say-superseded', {
    'data.reset.always': ['reset.concurrent', superseded(true)],
    'data.reset.never': ['reset.superseded', superseded(false)],
  }),
  ...operator('reset-twice', {
    'data.reset': [
      'offset-reset',
      inLog(() => (log) => ({
        edit: async (...args) => {
          await log.edit(...args);
          return log.edit(...args);
        },
      })),
    ],
  }),
  ...operator('late-commit-undoes-a-reset', {
    'data.reset': ['offset-reset', lateCommit()],
  }),
  ...operator('lose-the-epoch', {
    'data.commit': ['offset-reset', commits(without('e'))],
    'data.reset': [
      'offset-reset',
      edits(
        (next, stored) =>
          next &&
          rewritten(next, (raw) => ({
            ...raw,
            e: (JSON.parse(stored.text || '{}') as { e?: number }).e ?? 0,
          })),
      ),
    ],
  }),
  ...operator('lose-a-part-of-the-pointer', {
    'data.commit.done': ['commit.skips-what-is-done', commits(without('d'))],
    'data.commit.tries': ['commit.attempts-survive', commits(without('f'))],
    'data.commit.crashes': ['crash.poison-is-dead-lettered.data', commits(without('x'))],
    'data.commit.clean': ['own-pointer', commits(without('c'))],
    'data.reset.reset-below': ['offset-reset', edits((next) => next && without('r')(next))],
  }),
  ...operator('call-a-crash-clean', {
    'data.commit': [
      'crash.group-takeover',
      commits((pointer) => rewritten(pointer, (raw) => ({ ...raw, c: 1 }))),
    ],
  }),
  ...operator('ignore-a-commit', {
    data: ['own-pointer', ignoresCommits(() => true)],
    'data.of-the-first-partition': [
      'own-pointer',
      ignoresCommits(({ partition }) => partition === 0),
    ],
    'data.of-the-last-partition': [
      'own-pointer',
      ignoresCommits(({ partition }) => partition === 1),
    ],
    'data.at-close': [
      'commit.skips-what-is-done',
      ignoresCommits(({ pointer }) => pointer.text.includes('"c":1')),
    ],
  }),
  ...operator('commit-before-the-handler', {
    data: ['crash.group-takeover', commitsEarly()],
  }),
  ...operator('share-a-cursor', {
    data: [
      'retained',
      inLog(() => (log) => ({
        join: (topic, _, as, signal) => log.join(topic, 'all', as, signal),
        pointers: (topic, _, signal) => log.pointers(topic, 'all', signal),
        edit: (topic, _, ...rest) => log.edit(topic, 'all', ...rest),
        removeGroup: async () => undefined,
      })),
    ],
  }),
  ...operator('stale-read', {
    'data.pointers': ['reset.positions-move-only-what-they-name', inLog(stalePointers)],
    'data.assigned': ['own-pointer', assigns(staleAssigned)],
  }),
  ...operator('swap-partitions', {
    'data.pointers': [
      'reset.positions-move-only-what-they-name',
      inLog(() => (log) => ({
        pointers: async (...args) => (await log.pointers(...args)).toReversed(),
      })),
    ],
  }),
];

function movesEveryGroup(log: LogDriver): { edit: Edit } {
  return {
    edit: async (topic, group, change, graceMs, signal) => {
      const others = (await log.names(topic, signal)).filter((name) => name !== group);
      const known = new Map<number, StoredPointer>();
      const noted: PointerChange = async (partition, stored) => {
        const next = await change(partition, stored);
        if (stored !== undefined && next !== undefined) known.set(partition, next);
        return next;
      };
      const result = await log.edit(topic, group, noted, graceMs, signal);
      for (const other of others)
        await log.edit(topic, other, (partition) => known.get(partition), graceMs, signal);
      return result;
    },
  };
}

/** A commit of one group is written for those that do not run, too. */
function commitsToOthers(): Defect {
  return inLogMember(() => (member, { topic, group, log }) => ({
    commit: async (writes) => {
      const signal = AbortSignal.timeout(5_000);
      const known = new Map(writes.map(({ partition, pointer }) => [partition, pointer]));
      for (const other of await log.names(topic, signal))
        if (other === 'stopped' && group !== other)
          await log.edit(topic, other, (partition) => known.get(partition), 0, signal);
      return member.commit(writes);
    },
  }));
}

function superseded(answer: boolean): Defect {
  return inLog(() => (log) => ({
    edit: async (...args) => {
      await log.edit(...args);
      return { superseded: answer };
    },
  }));
}

/** What an owner wrote last is written again when a reset is over. */
function lateCommit(): Defect {
  return inLog(() => {
    const last = new Map<string, StoredPointer>();
    return (log) => ({
      join: async (topic, group, as, signal) => {
        const member = await log.join(topic, group, as, signal);
        return new Proxy(member, {
          get(target: LogMember, property) {
            if (property === 'commit')
              return (writes: readonly PointerWrite[]) => {
                for (const { partition, pointer } of writes)
                  last.set(`${topic.name}/${group}/${partition}`, pointer);
                return target.commit(writes);
              };
            const value: unknown = Reflect.get(target, property, target);
            return typeof value === 'function'
              ? (value as (...args: unknown[]) => unknown).bind(target)
              : value;
          },
        });
      },
      edit: async (topic, group, change, ...rest) => {
        const result = await log.edit(topic, group, change, ...rest);
        await log.edit(
          topic,
          group,
          (partition) => last.get(`${topic.name}/${group}/${partition}`),
          ...rest,
        );
        return result;
      },
    });
  });
}

/** What has been handed out is written as handled. */
function commitsEarly(): Defect {
  return inLogMember(() => (member) => {
    const handedOut = new Map<number, Place>();
    return {
      receive: async (signal) => {
        const events = await member.receive(signal);
        for (const event of events) {
          const last = event.type === 'records' ? event.records.at(-1) : undefined;
          if (event.type === 'records' && last !== undefined)
            handedOut.set(event.partition, { offset: last.offset + 1, time: last.time });
        }
        return events;
      },
      commit: (writes) =>
        member.commit(
          writes.map((write) => ({
            ...write,
            pointer: {
              ...without('d')(write.pointer),
              place: handedOut.get(write.partition) ?? write.pointer.place,
            },
          })),
        ),
    };
  });
}

/** Every answer is that of the call before. */
function stalePointers(): (log: LogDriver) => Pick<LogDriver, 'pointers'> {
  const before = new Map<string, readonly (StoredPointer | undefined)[]>();
  return (log) => ({
    pointers: async (topic, group, signal) => {
      const key = `${topic.name}/${group}`;
      const now = await log.pointers(topic, group, signal);
      const answer = before.get(key) ?? now;
      before.set(key, now);
      return answer;
    },
  });
}

/** A partition comes with the pointer that its first owner began with. */
function staleAssigned(): (
  pointer: StoredPointer | undefined,
  partition: number,
  joined: Joined,
) => StoredPointer | undefined {
  const first = new Map<string, StoredPointer | undefined>();
  return (pointer, partition, { topic, group }) => {
    const key = `${topic.name}/${group}/${partition}`;
    if (!first.has(key)) first.set(key, pointer);
    return first.get(key);
  };
}
