import type {
  Clock,
  Leased,
  QueueEvent,
  Settlement,
  StoredTopic,
  SubscriptionCounts,
} from '@duobus/core/driver';
import { Alarm } from './alarm.ts';
import { type Entry, Lane } from './lane.ts';
import { Ownership } from './ownership.ts';
import type { MemoryQueueMember } from './queue-member.ts';
import { copy, type Stored } from './stored.ts';

/** One hand-over: what a token is. */
export interface Lease {
  readonly entry: Entry;
  readonly member: MemoryQueueMember;
  readonly source: 'main' | 'dead';
  readonly expiresAt: number;
}

/** The queue of a subscription: one lane per partition, the delayed ones, the dead letters, and who holds what. */
export class Subscription {
  readonly name: string;
  readonly ownership: Ownership<MemoryQueueMember> | undefined;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #freed: (bytes: number) => void;
  readonly #alarm: Alarm;
  readonly #ready: Lane[];
  readonly #dead = new Lane();
  /** In the order of `dueAt`. */
  #delayed: Entry[] = [];
  /** In the order in which they end, as all last equally long. */
  readonly #leases = new Set<Lease>();
  #members: MemoryQueueMember[] = [];
  readonly #deadMembers: MemoryQueueMember[] = [];
  #lastSeq = 0;

  constructor(
    topic: StoredTopic,
    name: string,
    clock: Clock,
    leaseMs: { queue: number; group: number },
    freed: (bytes: number) => void,
  ) {
    this.name = name;
    this.#clock = clock;
    this.#leaseMs = leaseMs.queue;
    this.#freed = freed;
    this.#alarm = new Alarm(clock, () => this.#wake());
    const partitions = topic.order === 'key' ? topic.partitions : 1;
    this.#ready = Array.from({ length: partitions }, () => new Lane());
    this.ownership =
      topic.order === 'key' ? new Ownership(clock, partitions, leaseMs.group) : undefined;
  }

  grow(partitions: number): void {
    while (this.#ready.length < partitions) this.#ready.push(new Lane());
    this.ownership?.grow(partitions);
  }

  /** The caller says `dispatch` when it has added all. */
  add(stored: Stored, partition: number): void {
    this.#lastSeq += 1;
    this.#lane(partition).push({
      stored,
      partition,
      seq: this.#lastSeq,
      state: undefined,
      handed: false,
      dueAt: 0,
    });
  }

  join(member: MemoryQueueMember): void {
    if (member.source === 'dead') {
      this.#deadMembers.push(member);
      if (this.#deadMembers.length === 1) this.#handOutDead(member);
      return;
    }
    this.#members.push(member);
    this.ownership?.join(member);
    this.#wake();
  }

  /** Takes back what the member holds, without saying anything to it. */
  leave(member: MemoryQueueMember): void {
    for (const lease of member.leases) this.#takeBack(lease);
    const place = this.#deadMembers.indexOf(member);
    if (place >= 0) this.#deadMembers.splice(place, 1);
    const next = this.#deadMembers[0];
    if (place === 0 && next !== undefined) this.#handOutDead(next);
    this.#members = this.#members.filter((other) => other !== member);
    this.ownership?.leave(member);
    this.dispatch();
  }

  release(member: MemoryQueueMember, partition: number): void {
    for (const lease of member.leases) {
      if (lease.source === 'main' && lease.entry.partition === partition) this.#takeBack(lease);
    }
    this.ownership?.release(member, partition);
    this.dispatch();
  }

  settle(member: MemoryQueueMember, settlement: Settlement): 'settled' | 'lost' {
    const lease = this.#held(member, settlement.token);
    if (lease === undefined) return 'lost';
    this.#drop(lease);
    const { entry } = lease;
    if (settlement.verdict === 'done') {
      this.#freed(entry.stored.bytes);
      return 'settled';
    }
    // Stored anew with its state: that says why it comes again.
    entry.state = settlement.state;
    entry.handed = false;
    if (settlement.verdict === 'again') this.#again(entry, settlement.delayMs);
    else if (settlement.verdict === 'dead') this.#dead.push(this.#last(entry));
    else this.#laneOf(lease).push(entry);
    return 'settled';
  }

  note(member: MemoryQueueMember, token: unknown, state: string): 'kept' | 'lost' {
    const lease = this.#held(member, token);
    if (lease === undefined) return 'lost';
    lease.entry.state = state;
    return 'kept';
  }

  counts(): SubscriptionCounts {
    this.#release();
    const ready = this.#ready.reduce((sum, lane) => sum + lane.length, 0);
    const leased = [...this.#leases].filter((lease) => lease.source === 'main');
    const oldest = [
      ...this.#ready.map((lane) => lane.first()),
      ...this.#delayed,
      ...leased.map((lease) => lease.entry),
    ]
      .filter((entry) => entry !== undefined)
      .reduce<number | undefined>(
        (least, { stored }) => Math.min(least ?? stored.at, stored.at),
        undefined,
      );
    return {
      ready,
      leased: leased.length,
      delayed: this.#delayed.length,
      dead: this.#dead.length + this.#leases.size - leased.length,
      oldestMs: oldest === undefined ? undefined : Math.max(this.#clock.now() - oldest, 0),
      consumers: this.#members.length,
    };
  }

  /** Ends every member; what the subscription held is freed. */
  remove(end: (member: MemoryQueueMember) => void): void {
    for (const member of [...this.#members, ...this.#deadMembers]) end(member);
    this.#alarm.set(undefined);
    for (const lane of [...this.#ready, this.#dead, this.#delayed]) {
      for (const entry of lane) this.#freed(entry.stored.bytes);
    }
  }

  /** Hands out what can be handed out. */
  dispatch(): void {
    if (this.#members.length > 0) {
      for (const [partition, lane] of this.#ready.entries()) this.#handOut(partition, lane);
    }
    this.#wind();
  }

  #handOut(partition: number, lane: Lane): void {
    const batches = new Map<MemoryQueueMember, Leased[]>();
    while (lane.length > 0) {
      const member =
        this.ownership === undefined ? this.#nextFree() : this.ownership.owner(partition);
      if (member === undefined || member.room(partition) <= 0) break;
      const batch = batches.get(member) ?? [];
      batch.push(this.#lease(lane.shift() as Entry, member, 'main'));
      batches.set(member, batch);
    }
    for (const [member, records] of batches)
      member.push({ type: 'records', partition, records } satisfies QueueEvent);
  }

  /** The members take turns. */
  #nextFree(): MemoryQueueMember | undefined {
    for (let tries = this.#members.length; tries > 0; tries -= 1) {
      const member = this.#members.shift() as MemoryQueueMember;
      this.#members.push(member);
      if (member.room(0) > 0) return member;
    }
    return undefined;
  }

  #handOutDead(member: MemoryQueueMember): void {
    const records: Leased[] = [];
    while (this.#dead.length > 0)
      records.push(this.#lease(this.#dead.shift() as Entry, member, 'dead'));
    if (records.length > 0) member.push({ type: 'records', partition: 0, records });
    member.push({ type: 'idle' });
  }

  #lease(entry: Entry, member: MemoryQueueMember, source: Lease['source']): Leased {
    const lease: Lease = { entry, member, source, expiresAt: this.#clock.now() + this.#leaseMs };
    this.#leases.add(lease);
    member.leases.add(lease);
    if (source === 'main') member.take(entry.partition, 1);
    return { ...copy(entry.stored), token: lease, redelivered: entry.handed, state: entry.state };
  }

  #held(member: MemoryQueueMember, token: unknown): Lease | undefined {
    const lease = token as Lease;
    return member.leases.has(lease) ? lease : undefined;
  }

  #drop(lease: Lease): void {
    this.#leases.delete(lease);
    lease.member.leases.delete(lease);
    if (lease.source === 'main') lease.member.take(lease.entry.partition, -1);
  }

  #takeBack(lease: Lease): void {
    this.#drop(lease);
    this.#laneOf(lease).push(lease.entry);
  }

  #laneOf(lease: Lease): Lane {
    return lease.source === 'dead' ? this.#dead : this.#lane(lease.entry.partition);
  }

  #lane(partition: number): Lane {
    return this.#ready[partition] as Lane;
  }

  #last(entry: Entry): Entry {
    this.#lastSeq += 1;
    entry.seq = this.#lastSeq;
    return entry;
  }

  #again(entry: Entry, delayMs: number): void {
    entry.dueAt = this.#clock.now() + Math.max(delayMs, 0);
    if (delayMs <= 0) {
      this.#lane(entry.partition).push(this.#last(entry));
      return;
    }
    const place = this.#delayed.findLastIndex((other) => other.dueAt <= entry.dueAt);
    this.#delayed.splice(place + 1, 0, entry);
  }

  /** Moves what is due to its lane and ends the leases that have run out. */
  #release(): void {
    const now = this.#clock.now();
    const due = this.#delayed.findIndex((entry) => entry.dueAt > now);
    const ripe = this.#delayed.splice(0, due < 0 ? this.#delayed.length : due);
    for (const entry of ripe) this.#lane(entry.partition).push(this.#last(entry));
    for (const lease of this.#leases) {
      if (lease.expiresAt > now) break;
      // An order by key cannot stand a hole: there the consumer is over, as with a broker's consumer timeout.
      if (this.ownership !== undefined && lease.source === 'main')
        lease.member.cut('kept a document longer than queueLeaseMs');
      else this.#takeBack(lease);
    }
  }

  #wake(): void {
    this.#release();
    this.dispatch();
  }

  #wind(): void {
    if (this.#members.length === 0 && this.#deadMembers.length === 0) {
      this.#alarm.set(undefined);
      return;
    }
    const [lease] = this.#leases;
    const times = [this.#delayed[0]?.dueAt, lease?.expiresAt].filter((time) => time !== undefined);
    this.#alarm.set(times.length === 0 ? undefined : Math.min(...times));
  }
}
