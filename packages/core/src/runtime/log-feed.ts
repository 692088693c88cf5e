import type { DeadReason } from '../dead-letters.ts';
import type { Bounds, LogDriver, LogEvent, LogMember, LogRecord, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import { Committer } from './committer.ts';
import type { Consume } from './consume-options.ts';
import { endOf, type ConsumerHandle } from './consumer-handle.ts';
import type { Context } from './context.ts';
import type { Feed } from './feed.ts';
import type { Item, Part, Source } from './item.ts';
import { stallChanges, stallOf } from './lanes.ts';
import type { Link } from './link.ts';
import type { GroupLetters, Redriven } from './group-letters.ts';
import { LogIntake } from './log-intake.ts';
import { redrivenItem, type ItemHome } from './log-items.ts';
import { LogPartition, ownerOf } from './log-partition.ts';
import { MemberLoop } from './member-loop.ts';
import type { Pointer, Tracked } from './pointer.ts';
import {
  givenUp,
  lostText,
  resolvePointers,
  type Assigned,
  type LogPolicy,
} from './log-assignment.ts';
import { endMs, within } from './within.ts';

/** One member of one data bus group. */
export class LogFeed implements Feed, Source {
  readonly #context: Context;
  readonly #link: Link;
  readonly #driver: LogDriver;
  readonly #consume: Consume;
  readonly #policy: LogPolicy;
  readonly #handle: ConsumerHandle;
  readonly #letters: GroupLetters;
  readonly #owned = new Map<number, LogPartition>();
  readonly #parts = new Map<number, Part>();
  readonly #leaving = new Set<Promise<void>>();
  readonly #loop: MemberLoop<LogEvent, LogMember>;
  readonly #intake: LogIntake;
  #committer: Committer | undefined;
  settled = 0;
  /** The group has its pointers: if they are gone, somebody has removed it. */
  begun = false;
  /** Somebody waits for the pointer: it is written as soon as it has moved. */
  watchers = 0;
  topic: StoredTopic;
  readonly ordered = true;
  readonly holds = true;

  constructor(
    context: Context,
    link: Link,
    driver: LogDriver,
    topic: StoredTopic,
    consume: Consume,
    policy: LogPolicy,
    handle: ConsumerHandle,
    letters: GroupLetters,
  ) {
    this.#context = context;
    this.#link = link;
    this.#driver = driver;
    this.#consume = consume;
    this.#policy = policy;
    this.#handle = handle;
    this.#letters = letters;
    this.topic = topic;
    this.#intake = new LogIntake({
      dispatcher: handle.dispatcher,
      items: () => this.#home,
      write: (owned) => this.#write(owned),
    });
    const { name } = consume;
    this.#loop = new MemberLoop(context, link, {
      what: `the member of group '${name}'`,
      open: (signal) => driver.join(this.topic, name, policy.owner, signal),
      take: (member) => this.#take(member),
      apply: (member, events, signal) => this.#apply(member, events, signal),
      ended: () => this.#endAll(),
      failed: (error) => handle.fail(endOf(error, `the member of group '${name}'`)),
      changed: () => handle.changed(),
    });
  }

  get partitions(): readonly number[] {
    return [...this.#owned.keys()];
  }

  get trouble(): Feed['trouble'] {
    for (const { lost } of this.#owned.values())
      if (lost !== undefined) return { state: 'lost', detail: lost };
    if (this.#loop.down !== undefined) return { state: 'stalled', detail: this.#loop.down };
    for (const { part } of this.#owned.values()) if (part.stalled) return stallOf(part);
    const { blocked } = this.#letters;
    return blocked === undefined ? undefined : { state: 'stalled', detail: blocked };
  }

  get reconnects(): number {
    return this.#loop.reconnects;
  }

  open(signal: AbortSignal | undefined): Promise<void> {
    return this.#loop.open(signal);
  }

  /** Takes a redriven dead letter of a partition that is owned: outside key order, and not part of the pointer. */
  redrive(redriven: Redriven): boolean {
    const owned = this.#owned.get(redriven.letter.partition);
    if (owned === undefined || owned.part.stopped) return false;
    const item = redrivenItem(redriven, owned, this.#home);
    this.#handle.dispatcher.add(owned.part, [item]);
    return true;
  }

  /** Writes what has been handled at once: somebody waits for it. */
  writeSoon(): void {
    this.#committer?.soon();
  }

  idle(): void {
    if (this.watchers > 0) this.writeSoon();
  }

  /** A write that is not fenced shows that a partition is still owned. */
  stoodStill(): void {
    const { dispatcher } = this.#handle;
    for (const owned of this.#owned.values()) {
      if (owned.lost !== undefined || owned.leaving) continue;
      dispatcher.stop(owned.part);
      owned.standstills += 1;
      const { standstills } = owned;
      void this.#write(owned).then((ours) => {
        // what was written before it stood still again shows nothing
        if (!ours || owned.leaving || owned.standstills !== standstills) return;
        dispatcher.go(owned.part);
        this.#letters.owns(new Set(this.#owned.keys()));
      });
    }
  }

  async quiesce(): Promise<void> {
    for (const { partition, token } of this.#owned.values())
      this.#loop.member?.flow(partition, token, false);
  }

  async finish(): Promise<void> {
    await this.#loop.stop();
    this.#committer?.hurry();
    await within(this.#context.timers, endMs, Promise.all(this.#leaving));
    const owned = [...this.#owned.values()].filter(({ lost }) => lost === undefined);
    await this.#committer?.last(owned, endMs);
    this.#endAll();
    await this.#letters.end();
    await this.#loop.close();
  }

  done(item: Item): void {
    const owned = ownerOf(item);
    if (owned === undefined) {
      this.#letters.handled(item);
      return;
    }
    owned.complete(item.handle as Tracked);
    this.#committer?.changed(owned);
    if (this.watchers > 0) this.writeSoon();
  }

  async retry(item: Item): Promise<boolean> {
    const owned = ownerOf(item);
    if (owned === undefined) return this.#letters.failedAgain(item);
    owned.failed(item.handle as Tracked, item.failed);
    return this.#write(owned);
  }

  async probe(item: Item): Promise<'kept' | 'moved' | 'lost'> {
    const owned = ownerOf(item);
    owned?.trying(item.handle as Tracked);
    const written = await (owned === undefined ? this.#letters.probe(item) : this.#write(owned));
    return written ? 'kept' : 'lost';
  }

  async dead(item: Item, reason: DeadReason, message: string): Promise<boolean> {
    const kept = await this.#letters.bury(item, reason, message);
    const owned = ownerOf(item);
    if (!kept || owned === undefined) return kept;
    if (!item.lease.alive) return false;
    this.done(item);
    return true;
  }

  async written(item: Item): Promise<void> {
    const owned = ownerOf(item);
    if (owned !== undefined) await this.#committer?.now(owned);
  }

  halts(item: Item): boolean {
    if (this.#policy.onPoison !== 'halt' || ownerOf(item) === undefined) return false;
    queueMicrotask(() => this.#handle.changed());
    return true;
  }

  shown(item: Item): void {
    if (ownerOf(item) !== undefined) (item.handle as Tracked).shown = true;
  }

  dropped(item: Item): void {
    if (ownerOf(item) === undefined) this.#letters.returned(item);
  }

  level(part: Part): void {
    const owned = this.#owned.get(part.partition);
    if (owned === undefined || !owned.lease.alive) return;
    this.#intake.more(owned);
    const { prefetch, maxAhead } = this.#consume;
    if (owned.turns(prefetch, maxAhead))
      this.#loop.member?.flow(owned.partition, owned.token, owned.open);
    if (stallChanges(part, maxAhead)) this.#handle.changed();
  }

  #write(owned: LogPartition): Promise<boolean> {
    return this.#committer?.now(owned) ?? Promise.resolve(false);
  }

  #take(member: LogMember): void {
    this.#committer = new Committer(member, this.#context.timers, this.#policy.commitIntervalMs, {
      partitions: () => this.#owned.values(),
      fenced: (partition) => this.#end(partition),
      failed: (error) => {
        this.#link.failed(error);
        if (!BusError.is(error) || !error.retryable)
          this.#handle.fail(endOf(error, 'writing pointers'));
      },
      written: (documents) => (this.settled += documents),
    });
  }

  /** Returns why the member is over, if it is. */
  async #apply(
    member: LogMember,
    events: readonly LogEvent[],
    signal: AbortSignal,
  ): Promise<BusError | undefined> {
    for (let at = 0; at < events.length; at += 1) {
      const event = events[at] as LogEvent;
      if (event.type === 'gone') throw event.error;
      if (event.type === 'lost') return event.error;
      if (event.type === 'records') this.#add(event.partition, event.token, event.records);
      else if (event.type === 'revoked') this.#end(this.#owner(event.partition, event.token));
      else if (event.type === 'revoking') this.#leave(event, member);
      else if (event.type === 'trimmed') this.#trimmed(event);
      else {
        const assigned = [event];
        while (events[at + 1]?.type === 'assigned') assigned.push(events[(at += 1)] as Assigned);
        await this.#assign(member, assigned, signal);
      }
    }
    return undefined;
  }

  /** Works out where each partition goes on, writes that it is ours, then reads. */
  async #assign(
    member: LogMember,
    assigned: readonly Assigned[],
    signal: AbortSignal,
  ): Promise<void> {
    const { name } = this.#consume;
    const starts = await resolvePointers({
      topic: this.topic,
      group: name,
      assigned,
      policy: this.#policy,
      begun: this.begun,
      link: this.#link,
      driver: this.#driver,
      signal,
      lost: (partition, records) =>
        this.#context.event({ type: 'lost-position', name, partition, records }),
    });
    this.topic = starts.topic;
    const owned = assigned.map((event, at) =>
      this.#own(
        event,
        starts.pointers[at] as Pointer,
        starts.bounds[event.partition] as Bounds,
        starts.lost[at],
      ),
    );
    const ours = owned.filter(({ lost }) => lost === undefined);
    await this.#committer?.first(ours);
    for (const partition of ours) {
      if (!partition.lease.alive) continue;
      this.#handle.dispatcher.go(partition.part);
      member.start(partition.partition, partition.token, partition.tracker.next);
    }
    this.#letters.owns(new Set(this.#owned.keys()));
    this.#handle.changed();
  }

  #own(event: Assigned, pointer: Pointer, bounds: Bounds, lost: string | undefined): LogPartition {
    this.#end(this.#owned.get(event.partition));
    const part =
      this.#parts.get(event.partition) ?? this.#handle.dispatcher.part(this, event.partition);
    this.#parts.set(event.partition, part);
    const crashed = event.pointer !== undefined && !pointer.clean;
    const mine = pointer.owner === this.#policy.owner;
    const owned = new LogPartition({
      partition: event.partition,
      token: event.token,
      part,
      mostRunning: this.#handle.dispatcher.mostRunning,
      pointer: {
        ...pointer,
        owner: this.#policy.owner,
        takeoverBelow: crashed ? bounds.end.offset : pointer.takeoverBelow,
        suspects: crashed && !mine ? this.#handle.dispatcher.mostRunning * 2 : pointer.suspects,
      },
    });
    owned.lost = lost;
    this.#owned.set(event.partition, owned);
    return owned;
  }

  #owner(partition: number, token: number): LogPartition | undefined {
    const owned = this.#owned.get(partition);
    return owned?.token === token ? owned : undefined;
  }

  #add(partition: number, token: number, records: readonly LogRecord[]): void {
    const owned = this.#owner(partition, token);
    if (owned !== undefined) this.#intake.add(owned, records);
  }

  get #home(): ItemHome {
    return { topic: this.topic, driver: this.#driver, now: this.#context.timers.now() };
  }

  #leave(event: Extract<LogEvent, { type: 'revoking' }>, member: LogMember): void {
    const owned = this.#owner(event.partition, event.token);
    if (owned === undefined) return;
    const leaving = this.#giveUp(owned, member, event)
      .catch((error: unknown) => this.#link.failed(error))
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  async #giveUp(
    owned: LogPartition,
    member: LogMember,
    event: Extract<LogEvent, { type: 'revoking' }>,
  ): Promise<void> {
    const { dispatcher } = this.#handle;
    owned.leaving = true;
    dispatcher.stop(owned.part);
    const error = givenUp(event.cause, this.#consume.name, this.topic.name, owned.partition);
    if (event.cause === 'reset') dispatcher.abort(owned.part, error);
    const { timers } = this.#context;
    const until = timers.now() + Math.min(this.#consume.graceMs, event.withinMs);
    if (await dispatcher.drained(owned.part, until - timers.now()))
      await dispatcher.written(until - timers.now());
    else dispatcher.abort(owned.part, error);
    // A reset may leave this partition where it is, with what has been handled here.
    if (owned.lost === undefined) await this.#committer?.last([owned], endMs);
    if (!owned.lease.alive) return;
    this.#end(owned);
    await member.release(owned.partition, owned.token);
  }

  #trimmed({ partition, token, bounds }: Extract<LogEvent, { type: 'trimmed' }>): void {
    const owned = this.#owner(partition, token);
    if (owned === undefined) return;
    const records = Math.max(0, bounds.first.offset - owned.readTo);
    this.#context.event({ type: 'lost-position', name: this.#consume.name, partition, records });
    if (this.#policy.onLost === 'fail') {
      owned.lost = lostText(this.#consume.name, partition, records);
      this.#handle.changed();
    } else
      this.#loop.member?.start(
        partition,
        token,
        this.#policy.onLost === 'earliest' ? bounds.first : bounds.end,
      );
  }

  #end(owned: LogPartition | undefined): void {
    if (owned === undefined) return;
    owned.lease.alive = false;
    if (this.#owned.get(owned.partition) === owned) this.#owned.delete(owned.partition);
    this.#letters.owns(new Set(this.#owned.keys()));
    const { dispatcher } = this.#handle;
    const taken = dispatcher.withdraw(owned.part, ({ lease }) => lease === owned.lease);
    for (const item of taken) this.#letters.returned(item);
  }

  #endAll(): void {
    this.#committer?.end();
    for (const owned of this.#owned.values()) this.#end(owned);
  }
}
