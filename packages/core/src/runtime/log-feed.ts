import type { DeadReason } from '../dead-letters.ts';
import type { Bounds, LogDriver, LogEvent, LogMember, LogRecord, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import { formatPosition } from '../position.ts';
import { delayOf, reconnectBackoff } from './backoff.ts';
import { Committer } from './committer.ts';
import type { Consume } from './consume-options.ts';
import { endOf, type ConsumerHandle } from './consumer-handle.ts';
import type { Context } from './context.ts';
import type { Feed } from './feed.ts';
import { blockedIn, newItem, type Item, type Part, type Source } from './item.ts';
import type { Link } from './link.ts';
import type { GroupLetters, Redriven } from './group-letters.ts';
import { LogPartition } from './log-partition.ts';
import { maxSpan, type Pointer, type Tracked } from './pointer.ts';
import { openRecord } from './runner.ts';
import { lostText, resolvePointers, type LogPolicy } from './log-assignment.ts';

type Assigned = Extract<LogEvent, { type: 'assigned' }>;

const quiescing = new BusError('DUOBUS_CLOSED', 'the group member is being closed');

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
  #member: LogMember | undefined;
  #committer: Committer | undefined;
  #loop: Promise<void> = Promise.resolve();
  #intake = new AbortController();
  #down: string | undefined;
  #settled = 0;
  /** Somebody waits for the pointer: it is written as soon as it has moved. */
  watchers = 0;
  topic: StoredTopic;
  readonly ordered = true;
  readonly holds = true;
  reconnects = 0;

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
  }

  get topicName(): string {
    return this.topic.name;
  }

  get settled(): number {
    return this.#settled;
  }

  get partitions(): readonly number[] {
    return [...this.#owned.keys()];
  }

  get trouble(): Feed['trouble'] {
    for (const { lost } of this.#owned.values())
      if (lost !== undefined) return { state: 'lost', detail: lost };
    if (this.#down !== undefined) return { state: 'stalled', detail: this.#down };
    for (const { part, partition } of this.#owned.values()) {
      if (blockedIn(part) >= this.#consume.maxAhead) {
        return {
          state: 'stalled',
          detail: `partition ${partition} of topic '${this.topic.name}' holds ${blockedIn(part)} documents behind failing ones`,
        };
      }
    }
    return undefined;
  }

  async open(signal: AbortSignal | undefined): Promise<void> {
    this.#take(
      await this.#link.request(
        (inner) => this.#driver.join(this.topic, this.#consume.name, inner),
        { signal },
      ),
    );
    this.#loop = this.#run();
  }

  /** Takes a redriven dead letter of a partition that is owned: outside key order, and not part of the pointer. */
  redrive(redriven: Redriven): boolean {
    const { letter, record, suspect } = redriven;
    const owned = this.#owned.get(letter.partition);
    if (owned === undefined || owned.part.stopped) return false;
    const { envelope, broken } = openRecord(record, this.#driver.binding);
    const item = newItem({
      part: owned.part,
      lease: owned.lease,
      record,
      envelope,
      broken,
      lane: undefined,
      redelivered: true,
      now: this.#context.timers.now(),
      handle: redriven,
      position: formatPosition(
        this.topic.incarnation,
        letter.partition,
        letter.place,
        this.#driver.capabilities.placeNeedsTime,
      ),
      appendedAt: letter.place.time,
      cause: 'redrive',
      failed: letter.attempts,
      crashes: letter.crashes,
      suspect,
    });
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

  async quiesce(): Promise<void> {
    for (const { partition, token } of this.#owned.values())
      this.#member?.flow(partition, token, false);
  }

  async finish(clean: boolean): Promise<void> {
    this.#intake.abort(quiescing);
    await this.#loop;
    await Promise.all(this.#leaving);
    const owned = [...this.#owned.values()].filter(
      ({ lease, lost }) => lease.alive && lost === undefined,
    );
    await this.#committer?.last(owned, clean);
    this.#endAll();
    await this.#letters.end();
    await this.#member?.close();
  }

  done(item: Item): void {
    const owned = ownerOf(item);
    if (owned === undefined) {
      this.#letters.handled(item);
      return;
    }
    owned.complete(item.handle as Tracked);
    this.#settled += 1;
    this.#committer?.changed(owned);
    if (this.watchers > 0) this.writeSoon();
  }

  async retry(item: Item): Promise<boolean> {
    const owned = ownerOf(item);
    if (owned === undefined) return this.#letters.failedAgain(item);
    return this.#write(item, owned, item.crashes);
  }

  async probe(item: Item): Promise<'kept' | 'moved' | 'lost'> {
    const owned = ownerOf(item);
    const written =
      owned === undefined
        ? await this.#letters.probe(item)
        : await this.#write(item, owned, item.crashes + 1);
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

  halts(item: Item): boolean {
    const halts = this.#policy.onPoison === 'halt' && ownerOf(item) !== undefined;
    if (halts) queueMicrotask(() => this.#handle.changed());
    return halts;
  }

  level(part: Part): void {
    const owned = this.#owned.get(part.partition);
    if (owned === undefined) return;
    const { prefetch, maxAhead } = this.#consume;
    const blocked = blockedIn(part);
    const { span } = owned.tracker;
    const full = part.ready >= prefetch || blocked >= maxAhead || span >= maxSpan / 2;
    const low = part.ready <= prefetch / 2 && blocked < maxAhead && span < maxSpan / 2;
    if (owned.open ? full : low) {
      owned.open = !full;
      this.#member?.flow(owned.partition, owned.token, owned.open);
    }
    const stalled = blocked >= maxAhead;
    if (owned.stalled === stalled) return;
    owned.stalled = stalled;
    this.#handle.changed();
  }

  #write(item: Item, owned: LogPartition, crashes: number): Promise<boolean> {
    const tracked = item.handle as Tracked;
    tracked.failed = item.failed;
    tracked.crashes = crashes;
    owned.noted();
    return this.#committer?.now(owned) ?? Promise.resolve(false);
  }

  #take(member: LogMember): void {
    this.#member = member;
    this.#committer = new Committer(member, this.#context.timers, this.#policy.commitIntervalMs, {
      partitions: () => this.#owned.values(),
      fenced: (partition) => this.#end(partition),
      failed: (error) => {
        this.#link.failed(error);
        if (!BusError.is(error) || !error.retryable)
          this.#handle.fail(endOf(error, 'writing pointers'));
      },
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#intake;
    try {
      while (!signal.aborted) {
        const over = await this.#receive(this.#member as LogMember, signal);
        if (over === undefined) continue;
        this.#endAll();
        this.#down = `the member of group '${this.#consume.name}' was lost: ${over.message}`;
        this.#handle.changed();
        this.#link.failed(over);
        await this.#member?.close();
        await this.#rejoin(signal);
      }
    } catch (error) {
      if (signal.aborted && error === signal.reason) return;
      this.#endAll();
      this.#handle.fail(endOf(error, `the member of group '${this.#consume.name}'`));
    }
  }

  /** Returns why the member is over, if it is. */
  async #receive(member: LogMember, signal: AbortSignal): Promise<BusError | undefined> {
    const events = await member.receive(signal);
    for (let at = 0; at < events.length; at += 1) {
      const event = events[at] as LogEvent;
      if (event.type === 'gone') throw event.error;
      if (event.type === 'lost') return event.error;
      if (event.type === 'records') this.#add(event.partition, event.token, event.records);
      else if (event.type === 'revoked') this.#end(this.#owner(event.partition, event.token));
      else if (event.type === 'revoking') this.#leave(event);
      else if (event.type === 'trimmed') this.#trimmed(event);
      else {
        const assigned = [event];
        while (events[at + 1]?.type === 'assigned') assigned.push(events[(at += 1)] as Assigned);
        const problem = await this.#assign(member, assigned, signal);
        if (problem !== undefined) return problem;
      }
    }
    return undefined;
  }

  async #rejoin(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      await this.#context.timers.sleep(delayOf(reconnectBackoff, attempt), signal);
      try {
        await this.#link.ready(signal);
        this.#take(await this.#driver.join(this.topic, this.#consume.name, signal));
        break;
      } catch (error) {
        signal.throwIfAborted();
        if (!BusError.is(error) || !error.retryable) throw error;
        this.#link.failed(error);
      }
    }
    this.reconnects += 1;
    this.#down = undefined;
    this.#handle.changed();
  }

  /** Works out where each partition goes on, writes that it is ours, then reads. */
  async #assign(
    member: LogMember,
    assigned: readonly Assigned[],
    signal: AbortSignal,
  ): Promise<BusError | undefined> {
    try {
      const starts = await resolvePointers({
        call: `group '${this.#consume.name}'`,
        topic: this.topic,
        group: this.#consume.name,
        assigned,
        policy: this.#policy,
        link: this.#link,
        driver: this.#driver,
        signal,
        lost: (partition, records) =>
          this.#context.event({
            type: 'lost-position',
            name: this.#consume.name,
            partition,
            records,
          }),
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
      const results =
        ours.length === 0
          ? []
          : await member.commit(
              ours.map((partition) => ({
                partition: partition.partition,
                token: partition.token,
                pointer: partition.snapshot(false).pointer,
              })),
            );
      ours.forEach((partition, at) => {
        if (results[at] !== 'ok') this.#end(partition);
        else if (partition.lease.alive) {
          this.#handle.dispatcher.go(partition.part);
          member.start(partition.partition, partition.token, partition.tracker.next);
        }
      });
      this.#letters.owns(new Set(this.#owned.keys()));
      this.#handle.changed();
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      if (BusError.is(error) && error.retryable) return error;
      throw error;
    }
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
      pointer: { ...pointer, owner: this.#policy.owner },
      takeoverBelow: crashed ? bounds.end.offset : 0,
      suspects: crashed && !mine ? this.#consume.concurrency * 2 : 0,
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
    if (owned === undefined) return;
    const now = this.#context.timers.now();
    const items: Item[] = [];
    for (const record of records) {
      const taken = owned.take(record);
      if (taken !== undefined) items.push(this.#item(record, owned, taken, now));
    }
    this.#handle.dispatcher.add(owned.part, items);
  }

  #item(
    record: LogRecord,
    owned: LogPartition,
    taken: NonNullable<ReturnType<LogPartition['take']>>,
    now: number,
  ): Item {
    const { envelope, broken } = openRecord(record, this.#driver.binding);
    const { tracked, suspect, cause } = taken;
    return newItem({
      part: owned.part,
      lease: owned.lease,
      record,
      envelope,
      broken,
      lane: envelope === undefined ? record.key : envelope.key,
      redelivered: cause !== 'first',
      now,
      handle: tracked,
      owner: owned,
      position: formatPosition(
        this.topic.incarnation,
        owned.partition,
        record,
        this.#driver.capabilities.placeNeedsTime,
      ),
      appendedAt: record.time,
      cause,
      failed: tracked.failed,
      crashes: tracked.crashes,
      suspect,
    });
  }

  #leave(event: Extract<LogEvent, { type: 'revoking' }>): void {
    const owned = this.#owner(event.partition, event.token);
    const member = this.#member;
    if (owned === undefined || member === undefined) return;
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
    dispatcher.stop(owned.part);
    if (event.cause === 'reset')
      dispatcher.abort(
        owned.part,
        new BusError(
          'DUOBUS_RESET',
          `group '${this.#consume.name}' is being reset: this document is handed out again if the reset goes back to it`,
        ),
      );
    const clean = await dispatcher.drained(
      owned.part,
      Math.min(this.#consume.graceMs, event.withinMs),
    );
    if (!clean)
      dispatcher.abort(
        owned.part,
        new BusError(
          'DUOBUS_CLOSED',
          `partition ${owned.partition} of topic '${this.topic.name}' moves to another member`,
        ),
      );
    if (!owned.lease.alive) return;
    if (event.cause === 'rebalance' && owned.lost === undefined)
      await this.#committer?.last([owned], clean);
    this.#end(owned);
    await member.release(owned.partition, owned.token);
  }

  #trimmed({ partition, token, bounds }: Extract<LogEvent, { type: 'trimmed' }>): void {
    const owned = this.#owner(partition, token);
    if (owned === undefined) return;
    const records = Math.max(
      0,
      bounds.first.offset - owned.tracker.next.offset - owned.tracker.span,
    );
    this.#context.event({ type: 'lost-position', name: this.#consume.name, partition, records });
    if (this.#policy.onLost === 'fail') {
      owned.lost = lostText(this.#consume.name, partition, records);
      this.#handle.changed();
    } else
      this.#member?.start(
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
    for (const item of this.#handle.dispatcher.withdraw(
      owned.part,
      (one) => one.lease === owned.lease,
    ))
      this.#letters.returned(item);
  }

  #endAll(): void {
    this.#committer?.end();
    for (const owned of this.#owned.values()) this.#end(owned);
  }
}

function ownerOf(item: Item): LogPartition | undefined {
  return item.owner as LogPartition | undefined;
}
