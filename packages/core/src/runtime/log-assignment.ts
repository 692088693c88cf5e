import type { Bounds, LogDriver, LogEvent, Place, StoredPointer, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import type { Link } from './link.ts';
import { decodePointer, newPointer, type Pointer } from './pointer.ts';
import { placesOf, type Start } from './starts.ts';

export type Assigned = Extract<LogEvent, { type: 'assigned' }>;

export interface LogPolicy {
  readonly from: Start;
  readonly onLost: 'fail' | 'earliest' | 'latest';
  readonly onPoison: 'dead' | 'halt';
  readonly commitIntervalMs: number;
  /** Marks the pointers this handle writes. */
  readonly owner: string;
}

interface Question {
  /** As it was known when the group was subscribed to, or later. */
  readonly topic: StoredTopic;
  readonly group: string;
  readonly assigned: readonly Extract<LogEvent, { type: 'assigned' }>[];
  readonly policy: LogPolicy;
  /** The group has had pointers under this member. */
  readonly begun: boolean;
  readonly link: Link;
  readonly driver: LogDriver;
  readonly signal: AbortSignal;
  /** A pointer has been passed by retention. */
  lost(partition: number, records: number): void;
}

interface Answer {
  readonly topic: StoredTopic;
  readonly bounds: readonly Bounds[];
  readonly pointers: readonly Pointer[];
  /** For partitions that must not be read: why. */
  readonly lost: readonly (string | undefined)[];
}

/** Where each newly owned partition begins: at its pointer, by `from` where there is none, by policy where it is lost. */
export async function resolvePointers(question: Question): Promise<Answer> {
  const { assigned, driver, link, signal } = question;
  const highest = Math.max(...assigned.map(({ partition }) => partition));
  let { topic } = question;
  if (highest >= topic.partitions) {
    const [fresh] = await link.request((inner) => driver.topics([topic.name], inner), { signal });
    topic = fresh ?? topic;
  }
  const bounds = await link.request((inner) => driver.bounds(topic, inner), { signal });
  const starts = await startsOf(question, topic, bounds);
  const pointers: Pointer[] = [];
  const lost: (string | undefined)[] = [];
  for (const { partition, pointer } of assigned) {
    const own = bounds[partition] as Bounds;
    const stored =
      pointer === undefined
        ? newPointer(starts.get(partition) ?? own.first, starts.partitions)
        : decodePointer(pointer, topic.partitions);
    const { next, why } = judge(question, partition, stored, own);
    pointers.push({ ...stored, next });
    lost.push(why);
  }
  return { topic, bounds, pointers, lost };
}

/** A partition that the topic did not have when the group was made begins at its first record (design: C1). */
async function startsOf(
  { assigned, policy, begun, link, driver, group, signal, topic: subscribed }: Question,
  topic: StoredTopic,
  bounds: readonly Bounds[],
): Promise<{ get(partition: number): Place | undefined; readonly partitions: number }> {
  if (assigned.every(({ pointer }) => pointer !== undefined))
    return { get: () => undefined, partitions: topic.partitions };
  const all = await link.request((inner) => driver.pointers(topic, group, inner), { signal });
  const known = all.find((pointer): pointer is StoredPointer => pointer !== undefined);
  if (known === undefined && begun) {
    throw new BusError(
      'DUOBUS_NOT_FOUND',
      `group '${group}' of topic '${topic.name}' has been removed: subscribe again to create it anew`,
      { context: { topic: topic.name, group } },
    );
  }
  // Not what it has got since: what is added now begins at its first record, and later than `subscribe` resolves.
  const partitions =
    known === undefined ? subscribed.partitions : decodePointer(known, topic.partitions).partitions;
  const places = await placesOf(
    `group '${group}'`,
    policy.from,
    topic,
    bounds,
    link,
    driver,
    signal,
  );
  return {
    get: (partition) => (partition < partitions ? places.get(partition) : bounds[partition]?.first),
    partitions,
  };
}

/** D8: what to do where the pointer is no longer within what is kept. */
function judge(
  question: Question,
  partition: number,
  { next, done }: Pointer,
  { first, end }: Bounds,
): { readonly next: Place; readonly why?: string } {
  if (next.offset >= first.offset && next.offset <= end.offset) return { next };
  let records = Math.max(0, first.offset - next.offset);
  for (const offset of done) if (offset < first.offset) records -= 1;
  if (next.offset < first.offset && records === 0) return { next: first };
  const { policy, group } = question;
  question.lost(partition, records);
  if (policy.onLost === 'fail') return { next, why: lostText(group, partition, records) };
  return { next: policy.onLost === 'earliest' ? first : end };
}

export function lostText(group: string, partition: number, records: number): string {
  return `retention has passed the pointer of group '${group}' in partition ${partition}: ${records} records are gone. Reset the group, or subscribe with onLost`;
}

/** What the signals of running handlers are aborted with when their partition has to go. */
export function givenUp(
  cause: 'rebalance' | 'reset',
  group: string,
  topic: string,
  partition: number,
): BusError {
  if (cause === 'reset')
    return new BusError(
      'DUOBUS_RESET',
      `group '${group}' is being reset: this document is handed out again if the reset goes back to it`,
    );
  return new BusError(
    'DUOBUS_CLOSED',
    `partition ${partition} of topic '${topic}' moves to another member`,
  );
}
