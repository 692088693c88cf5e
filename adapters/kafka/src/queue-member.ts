import {
  BusError,
  Inbox,
  type Leased,
  type LogEvent,
  type LogMember,
  type LogRecord,
  type QueueEvent,
  type QueueMember,
  type Settlement,
  type StoredPointer,
} from '@duobus/core/driver';
import { encodeCopy } from './copy-codec.ts';
import type { Copies } from './copies.ts';
import type { GroupMember } from './group-member.ts';
import { Ledger } from './ledger.ts';
import type { LogEnds } from './log-ends.ts';
import { QueueCommits } from './queue-commits.ts';
import { type Entry, QueuePart } from './queue-part.ts';
import { placesOf, retries, type Subscription } from './subscriptions.ts';
import { ownPartitions } from './topology.ts';
import { WaitingRetries } from './waiting-retries.ts';

export interface QueueMemberContext {
  readonly subscription: Subscription;
  readonly group: LogMember & Pick<GroupMember, 'fresh' | 'explain'>;
  readonly copies: Copies;
  readonly ends: LogEnds;
  readonly credit: number;
  /** Some retries, from an offset on. */
  readRetries(offset: number): Promise<readonly LogRecord[]>;
  /** Where a partition begins whose pointer the group has lost. */
  restore(partition: number): Promise<StoredPointer>;
  /** Something was settled: what it was may be deleted. */
  settled(): void;
}

/** Clocks of processes that hand out one subscription's retries may differ so much. */
const skewMs = 5_000;

const lost = 'lost';
const settled = 'settled';

/** One competing consumer of a subscription: owns partitions of its topic, and settles within them in any order. */
export class KafkaQueueMember implements QueueMember {
  readonly #context: QueueMemberContext;
  readonly #commits: QueueCommits;
  readonly #retries: WaitingRetries;
  readonly #inbox = new Inbox<QueueEvent>();
  readonly #parts = new Map<number, QueuePart>();
  readonly #closing = new AbortController();
  readonly #loop: Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #awaited: Promise<unknown> | undefined;
  #turn = 0;
  #stopped = false;
  #over = false;

  constructor(context: QueueMemberContext) {
    this.#context = context;
    const { group, subscription, copies, readRetries } = context;
    this.#commits = new QueueCommits(group);
    const { at } = placesOf(subscription);
    this.#retries = new WaitingRetries(at(retries), copies, this.#commits, readRetries);
    this.#loop = this.#run();
  }

  async receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    if (this.#closing.signal.aborted) throw this.#closing.signal.reason;
    for (;;) {
      const events = await this.#inbox.receive(signal);
      if (events.some(({ type }) => type === 'records')) await this.#context.group.fresh(signal);
      const current = events.filter((event) => event.type !== 'records' || see(event.records));
      if (current.length > 0) return current;
    }
  }

  async settle(batch: readonly Settlement[]): Promise<readonly ('settled' | 'lost')[]> {
    if (this.#closing.signal.aborted) throw this.#closing.signal.reason;
    const copied: Promise<void>[] = [];
    for (const settlement of batch) {
      const { verdict } = settlement;
      if ((verdict === 'again' || verdict === 'dead') && held(settlement) !== undefined)
        copied.push(this.#copy(held(settlement) as Entry, settlement));
    }
    if (copied.length > 0) await Promise.all(copied);
    const entries = batch.map(held);
    const parts = new Set<QueuePart>();
    entries.forEach((entry, index) => {
      if (entry === undefined || entry.over) return;
      const settlement = batch[index] as Settlement;
      if (settlement.verdict === 'back') entry.part.returned(entry, settlement.state);
      else entry.part.settled(entry);
      entry.over = true;
      parts.add(entry.part);
    });
    const fenced = await this.#commits.write(parts);
    this.#free(
      entries,
      parts,
      batch.some(({ verdict }) => verdict === 'back'),
    );
    return entries.map((entry) => (entry === undefined || fenced.has(entry.part) ? lost : settled));
  }

  async note(token: unknown, state: string): Promise<'kept' | 'lost'> {
    const entry = held({ token });
    if (entry === undefined) return lost;
    entry.part.ledger.note(entry.offset, state);
    const fenced = await this.#commits.write([entry.part]);
    return fenced.has(entry.part) ? lost : 'kept';
  }

  async release(partition: number): Promise<void> {
    const part = this.#parts.get(partition);
    if (part === undefined) return;
    const companion = partition === 0 ? this.#parts.get(retries) : undefined;
    const both = companion === undefined ? [part] : [part, companion];
    await Promise.all(both.map((one) => this.#giveUp(one)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    await this.stop();
    const parts = [...this.#parts.values()];
    this.#closing.abort(
      new BusError(
        'DUOBUS_CLOSED',
        `this consumer of subscription '${this.#context.subscription.name}' has been closed`,
      ),
    );
    try {
      await Promise.all(parts.map((part) => this.#commits.end(part)));
    } catch {
      // who owns them next takes what was handed out here for suspect
    }
    for (const part of parts) forget(part);
    await this.#context.group.close();
    await this.#loop;
    if (parts.length > 0) this.#context.settled();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    try {
      while (!signal.aborted && !this.#over) {
        for (const event of await this.#context.group.receive(signal)) await this.#apply(event);
        this.#dispatch();
      }
    } catch (error) {
      if (!signal.aborted) this.#end(error as BusError);
    }
  }

  async #apply(event: LogEvent): Promise<void> {
    if (event.type === 'lost' || event.type === 'gone') {
      this.#finish(event);
      return;
    }
    const part = this.#parts.get(event.partition);
    if (event.type === 'assigned') await this.#assigned(event);
    else if (part === undefined || part.token !== event.token) return;
    else if (event.type === 'records') this.#take(part, event.records);
    else if (event.type === 'revoking') {
      part.revoking = true;
      if (part.isRetries) return; // goes with its partition
      const { partition, withinMs } = event;
      this.#inbox.push({ type: 'revoking', partition, withinMs });
    } else if (event.type === 'revoked') this.#drop(part);
    else this.#trimmed(part, event.bounds.first.offset, event.bounds.end.offset);
  }

  async #assigned({
    partition,
    token,
    pointer,
  }: LogEvent & { readonly type: 'assigned' }): Promise<void> {
    const { credit, group, restore } = this.#context;
    const { place, text } = pointer ?? (await restore(partition));
    const ledger = new Ledger(place.offset, text);
    const isRetries = partition === retries;
    const part = new QueuePart(partition, token, ledger, { credit, isRetries });
    if (ledger.heldBefore > 0) await this.#suspect(part);
    this.#parts.set(partition, part);
    if (!isRetries) this.#inbox.push({ type: 'assigned', partition });
    group.start(partition, token, { offset: ledger.next, time: 0 });
    this.#write(part);
    this.#context.settled(); // whoever owned it before may have left something
  }

  /** Once for all partitions that are written together: each of them asks again while it goes on. */
  #write(part: QueuePart): void {
    const written = this.#commits.write([part]);
    if (written === this.#awaited) return;
    this.#awaited = written;
    written.then(
      () => this.#dispatch(),
      (error: unknown) => this.#end(error as BusError),
    );
  }

  async #suspect(part: QueuePart): Promise<void> {
    const { ends, subscription } = this.#context;
    const at = placesOf(subscription).at(part.partition);
    const [bounds] = await ends.bounds(at.topic, [at.partition]);
    if (bounds !== undefined) part.suspect(bounds.end.offset, Date.now() + skewMs);
  }

  #take(part: QueuePart, records: Parameters<QueuePart['take']>[0]): void {
    part.take(records);
    if (part.overfetched) this.#flow(part, false);
  }

  #trimmed(part: QueuePart, first: number, end: number): void {
    part.ledger.startsAt(first);
    if (part.ledger.next > end) {
      // the log has lost its end: what will be there is new
      const { token, partition } = part;
      const { credit } = this.#context;
      const { isRetries } = part;
      const anew = new QueuePart(partition, token, new Ledger(end, ''), { credit, isRetries });
      forget(part);
      this.#parts.set(partition, anew);
      this.#refetch(anew);
      this.#write(anew);
      return;
    }
    this.#refetch(part);
  }

  #refetch(part: QueuePart): void {
    const offset = part.restart();
    this.#context.group.start(part.partition, part.token, { offset, time: 0 });
  }

  #flow(part: QueuePart, open: boolean): void {
    if (part.closed !== open) return;
    part.closed = !open;
    this.#context.group.flow(part.partition, part.token, open);
  }

  /** Hands out what there is room for. */
  #dispatch(): void {
    if (this.#stopped || this.#over) return;
    for (const part of this.#inTurns()) {
      if (!part.opened || !part.alive || part.revoking) continue;
      const records: Leased[] = [];
      let room = this.#room(part);
      for (; room > 0 && !part.full && !part.needsWrite; room -= 1) {
        const entry = part.isRetries ? this.#dueOf(part) : part.waiting.shift();
        if (entry === undefined) break;
        if (entry.record === undefined) void this.#readAgain(entry);
        else records.push(part.handOut(entry, entry.record));
      }
      if (records.length > 0) this.#inbox.push({ type: 'records', partition: part.shown, records });
      if (room > 0 && part.needsWrite && part.waiting.size > 0) this.#write(part);
      if (part.closed && !part.overfetched) this.#flow(part, true);
      if (part.isRetries) void this.#tidy(part);
    }
    this.#windTimer();
  }

  #dueOf(part: QueuePart): Entry | undefined {
    return this.#retries.canRead ? part.due.takeDue(Date.now()) : undefined;
  }

  async #tidy(part: QueuePart): Promise<void> {
    try {
      await this.#retries.tidy(part);
    } catch (error) {
      this.#end(error as BusError);
    }
  }

  /** All partitions, another one first each time: where all share the credit, none takes it from the others. */
  #inTurns(): readonly QueuePart[] {
    const parts = [...this.#parts.values()];
    this.#turn = (this.#turn + 1) % Math.max(1, parts.length);
    return [...parts.slice(this.#turn), ...parts.slice(0, this.#turn)];
  }

  async #readAgain(entry: Entry): Promise<void> {
    try {
      await this.#retries.readAgain(entry);
      this.#dispatch();
    } catch (error) {
      this.#end(error as BusError);
    }
  }

  /** How many more records may be held: of a partition where order is by key, else of all together. */
  #room(part: QueuePart): number {
    const { credit, subscription } = this.#context;
    const ordered = subscription.topic.order === 'key';
    let taken = 0;
    for (const other of this.#parts.values())
      if (!ordered || other.shown === part.shown) taken += other.leased.size;
    return credit - taken;
  }

  #windTimer(): void {
    clearTimeout(this.#timer);
    const part = this.#parts.get(retries);
    const due = part?.due.firstDue;
    if (part === undefined || due === undefined) return;
    // whatever holds these up comes back here when it is over
    if (!part.opened || part.revoking || part.full || this.#room(part) <= 0) return;
    if (!this.#retries.canRead) return;
    const inMs = Math.min(Math.max(due - Date.now(), 1), 2 ** 30);
    this.#timer = setTimeout(() => this.#dispatch(), inMs);
  }

  async #copy(
    { record }: Entry,
    settlement: Settlement & { readonly verdict: 'again' | 'dead' },
  ): Promise<void> {
    const { copies, subscription } = this.#context;
    const { verdict, state } = settlement;
    if (record === undefined) return; // only what waits has none
    const due = verdict === 'again' ? Date.now() + settlement.delayMs : 0;
    const partition = verdict === 'again' ? ownPartitions.retries : ownPartitions.dead;
    await copies.append({ topic: subscription.own, partition }, encodeCopy(record, { state, due }));
  }

  /** What is settled makes room, what is given back is fetched again. */
  #free(
    entries: readonly (Entry | undefined)[],
    parts: ReadonlySet<QueuePart>,
    returned: boolean,
  ): void {
    for (const entry of entries) entry?.part.leased.delete(entry.offset);
    if (this.#stopped) return;
    for (const part of parts) {
      if (returned && part.alive && !part.revoking) this.#refetch(part);
    }
    this.#dispatch();
    this.#context.settled();
  }

  async #giveUp(part: QueuePart): Promise<void> {
    part.revoking = true;
    await this.#commits.end(part);
    forget(part);
    if (this.#parts.get(part.partition) === part) this.#parts.delete(part.partition);
    await this.#context.group.release(part.partition, part.token);
  }

  #drop(part: QueuePart): void {
    forget(part);
    this.#parts.delete(part.partition);
    if (!part.isRetries) this.#inbox.push({ type: 'revoked', partition: part.partition });
  }

  /** A member that cannot do its work is over: the runtime opens another. */
  #end(error: BusError): void {
    if (this.#closing.signal.aborted) return;
    const reason = this.#context.group.explain(error, 'consuming');
    this.#finish({ type: reason.retryable ? 'lost' : 'gone', error: reason });
  }

  #finish(event: QueueEvent & { readonly type: 'lost' | 'gone' }): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    for (const part of this.#parts.values()) forget(part);
    this.#parts.clear();
    this.#inbox.discard(({ type }) => type === 'records');
    this.#inbox.push(event);
  }
}

/** Nothing that was handed out of it counts any more. */
function forget(part: QueuePart): void {
  part.alive = false;
  for (const entry of part.leased.values()) entry.over = true;
}

/** Whether a consumer is to see them: what was taken back meanwhile is not shown. */
function see(records: readonly Leased[]): boolean {
  const entries = records.map(({ token }) => token as Entry);
  if (entries.some(({ over }) => over)) return false;
  for (const entry of entries) entry.seen = true;
  return true;
}

function held({ token }: Pick<Settlement, 'token'>): Entry | undefined {
  const entry = token as Entry;
  return entry.over ? undefined : entry;
}
