import type {
  EditResult,
  LogMember,
  PointerChange,
  StoredPointer,
  StoredTopic,
} from '../driver.ts';
import { BusError } from '../errors.ts';
import { Bell } from '../internal/bell.ts';
import type { Clock } from '../internal/clock.ts';
import type { Cells } from './cells.ts';
import { CellsMember, type PartitionReader, type ReaderEvents } from './cells-member.ts';
import { Claimant } from './claimant.ts';
import { editGroup } from './edit-group.ts';
import { Sightings } from './sightings.ts';
import { readView } from './view.ts';

export interface GroupsOptions {
  readonly clock: Clock;
  /** Who has not been seen to live for so long is taken for dead, in ms. Signs of life are written four times as often. */
  readonly leaseMs: number;
  /** The cells of a group. */
  readonly cells: (topic: StoredTopic, group: string) => Cells;
  /** The number of partitions the topic has, not older than 10 s; rejects with DUOBUS_NOT_FOUND when it is gone. */
  readonly partitions: (topic: StoredTopic, signal: AbortSignal) => Promise<number>;
  /** Reads what a member owns. */
  readonly reader: (
    topic: StoredTopic,
    group: string,
    as: string,
    events: ReaderEvents,
  ) => PartitionReader;
}

/** What a LogDriver needs for groups, for brokers that have none of their own. */
export interface Groups {
  join(topic: StoredTopic, group: string, as: string, signal: AbortSignal): Promise<LogMember>;
  pointers(
    topic: StoredTopic,
    group: string,
    signal: AbortSignal,
  ): Promise<readonly (StoredPointer | undefined)[]>;
  edit(
    topic: StoredTopic,
    group: string,
    change: PointerChange,
    graceMs: number,
    signal: AbortSignal,
  ): Promise<EditResult>;
  /** Resolves when no member is left, not even a dead one, so that the cells may be deleted.
   *  @throws BusError DUOBUS_CONFLICT while there are living members */
  empty(topic: StoredTopic, group: string, signal: AbortSignal): Promise<void>;
}

/**
 * Groups over cells: membership, fair shares, leases, fencing and edits, over four verbs of the broker's. Every member
 * computes the same shares from the same cells; there is no leader.
 */
export function groupsOver(options: GroupsOptions): Groups {
  const { clock, leaseMs } = options;
  return Object.freeze({
    join: (topic: StoredTopic, group: string, as: string, signal: AbortSignal) =>
      join(options, topic, group, as, signal),
    async pointers(topic: StoredTopic, group: string, signal: AbortSignal) {
      const partitions = await options.partitions(topic, signal);
      const view = readView(await options.cells(topic, group).list(signal));
      return Array.from(
        { length: partitions },
        (_, partition) => view.partitions.get(partition)?.value.pointer,
      );
    },
    async edit(
      topic: StoredTopic,
      group: string,
      change: PointerChange,
      graceMs: number,
      signal: AbortSignal,
    ) {
      const partitions = await options.partitions(topic, signal);
      const cells = options.cells(topic, group);
      return editGroup({ cells, clock, leaseMs, partitions, change, graceMs, signal });
    },
    empty: (topic: StoredTopic, group: string, signal: AbortSignal) =>
      untilEmpty(options, topic, group, signal),
  });
}

async function join(
  { cells, clock, leaseMs, partitions, reader }: GroupsOptions,
  topic: StoredTopic,
  group: string,
  as: string,
  signal: AbortSignal,
): Promise<LogMember> {
  const member = new CellsMember(topic, group);
  const claimant = new Claimant({
    cells: cells(topic, group),
    clock,
    leaseMs,
    id: as,
    partitions: (during) => partitions(topic, during),
    events: {
      assigned: (partition, token, pointer) =>
        member.assigned({ type: 'assigned', partition, token, pointer }),
      revoking: (partition, token, cause, withinMs) =>
        member.revoking({ type: 'revoking', partition, token, cause, withinMs }),
      revoked: (partition, token) => member.revoked(partition, token),
      ended: (error) => member.ended(asBusError(error, group)),
    },
  });
  const reading = reader(topic, group, as, {
    records: (partition, token, records) =>
      member.found({ type: 'records', partition, token, records }),
    trimmed: (partition, token, bounds) =>
      member.found({ type: 'trimmed', partition, token, bounds }),
    failed: (error) => member.ended(error),
  });
  await member.open(claimant, reading, signal);
  return member;
}

function asBusError(error: unknown, group: string): BusError {
  if (BusError.is(error)) return error;
  return new BusError('DUOBUS_BUG', `a member of group '${group}' failed`, { cause: error });
}

async function untilEmpty(
  { cells, clock, leaseMs }: GroupsOptions,
  topic: StoredTopic,
  group: string,
  signal: AbortSignal,
): Promise<void> {
  const sightings = new Sightings(leaseMs);
  const bell = new Bell(clock);
  const scope = cells(topic, group);
  const first = new Map<string, string>();
  for (;;) {
    signal.throwIfAborted();
    const beganAt = clock.now();
    const { members } = readView(await scope.list(signal));
    sightings.look(new Map([...members].map(([id, { version }]) => [id, version])), clock.now());
    const alive = [...members.keys()].filter((id) => sightings.isAlive(id, beganAt));
    if (alive.length === 0) return;
    for (const [id, { version }] of members) {
      if ((first.get(id) ?? version) !== version) throw running(topic, group);
      first.set(id, version);
    }
    await bell.wait(leaseMs / 8);
  }
}

function running({ name }: StoredTopic, group: string): BusError {
  return new BusError(
    'DUOBUS_CONFLICT',
    `group '${group}' of topic '${name}' has members: close its consumers first`,
    { context: { topic: name, group } },
  );
}
