import type { DeadReason } from '../dead-letters.ts';
import type {
  Leased,
  QueueDriver,
  QueueEvent,
  QueueMember,
  Settlement,
  StoredTopic,
} from '../driver.ts';
import type { Cause } from '../delivery.ts';
import { BusError } from '../errors.ts';
import { DecodeFailure } from '../decode.ts';
import type { Consume } from './consume-options.ts';
import { endOf, type ConsumerHandle } from './consumer-handle.ts';
import type { Context } from './context.ts';
import type { Feed } from './feed.ts';
import { newItem, type Item, type Lease, type Part, type Source } from './item.ts';
import { stallChanges, stallOf } from './lanes.ts';
import type { Link } from './link.ts';
import { MemberLoop } from './member-loop.ts';
import { openRecord } from './runner.ts';
import { Settler } from './settler.ts';
import { decodeState, encodeState, freshState, type DeliveryState } from './state.ts';
import { endMs, within } from './within.ts';

/** Why `receive` is given up although nothing is wrong. */
const quiescing = new BusError('DUOBUS_CLOSED', 'the subscription is being closed');

/** A consumer of one event bus subscription. */
export class QueueFeed implements Feed, Source {
  readonly #context: Context;
  readonly #link: Link;
  readonly #driver: QueueDriver;
  readonly #consume: Consume;
  readonly #handle: ConsumerHandle;
  readonly #parts = new Map<number, Part>();
  readonly #leases = new Map<number, Lease>();
  /** By partition: documents this process held when its connection broke. It lives, so they have not killed it. */
  readonly #innocent = new Map<number, Set<string>>();
  /** Tokens of failed documents that are being settled. */
  readonly #settling = new Set<unknown>();
  readonly #loop: MemberLoop<QueueEvent, QueueMember>;
  #settler: Settler | undefined;
  #settledBefore = 0;
  readonly topic: StoredTopic;
  readonly ordered: boolean;
  movesSuspects = false;

  constructor(
    context: Context,
    link: Link,
    driver: QueueDriver,
    topic: StoredTopic,
    consume: Consume,
    handle: ConsumerHandle,
  ) {
    this.#context = context;
    this.#link = link;
    this.#driver = driver;
    this.#consume = consume;
    this.#handle = handle;
    this.topic = topic;
    this.ordered = topic.order === 'key';
    const { name } = consume;
    this.#loop = new MemberLoop(context, link, {
      what: `the consumer of '${name}'`,
      open: (signal) => driver.consume(topic, name, 'main', this.#credit, signal),
      take: (member) => this.#take(member),
      apply: (_, events) => this.#apply(events),
      ended: () => this.#endAll(),
      failed: (error) => handle.fail(endOf(error, `the subscription '${name}'`)),
      changed: () => handle.changed(),
    });
  }

  get holds(): boolean {
    return this.ordered;
  }

  get settled(): number {
    return this.#settledBefore + (this.#settler?.settled ?? 0);
  }

  get reconnects(): number {
    return this.#loop.reconnects;
  }

  get partitions(): readonly number[] {
    return this.ordered ? [...this.#leases.keys()] : [];
  }

  get trouble(): Feed['trouble'] {
    if (this.#loop.down !== undefined) return { state: 'stalled', detail: this.#loop.down };
    for (const part of this.#parts.values()) if (part.stalled) return stallOf(part);
    return undefined;
  }

  /** Where order is by key, what is held counts as credit: so no more than `maxAhead` is ever held. */
  get #credit(): number {
    return this.ordered ? this.#consume.maxAhead : this.#consume.prefetch;
  }

  open(signal: AbortSignal | undefined): Promise<void> {
    return this.#loop.open(signal);
  }

  idle(): void {
    this.#settler?.soon();
  }

  async quiesce(): Promise<void> {
    await this.#loop.stop();
    try {
      await this.#loop.member?.stop();
    } catch (error) {
      this.#link.failed(error);
    }
  }

  async finish(): Promise<void> {
    const { member } = this.#loop;
    if (member === undefined) return;
    await this.#takeRest(member);
    for (const part of this.#parts.values()) this.#giveBack(part);
    await within(this.#context.timers, endMs, this.#settler?.end() ?? Promise.resolve());
    for (const lease of this.#leases.values()) lease.alive = false;
    await this.#loop.close();
  }

  done(item: Item): void {
    this.#settler?.add({ token: item.handle, verdict: 'done' });
  }

  async retry(item: Item, delayMs: number): Promise<boolean> {
    const state = this.#stateOf(item, 'retry');
    if (!this.holds) return this.#settle({ token: item.handle, verdict: 'again', delayMs, state });
    return (await this.#note(item, state)) === 'kept';
  }

  dead(item: Item, reason: DeadReason, message: string): Promise<boolean> {
    const dead = { reason, message, at: this.#context.timers.now() };
    const state = encodeState({
      failed: item.failed,
      crashes: item.crashes,
      cause: item.cause,
      probing: false,
      redrives: item.redrives,
      dead,
    });
    return this.#settle({ token: item.handle, verdict: 'dead', state });
  }

  probe(item: Item): Promise<'kept' | 'moved' | 'lost'> {
    return this.#note(
      item,
      encodeState({
        failed: item.failed,
        crashes: item.crashes + 1,
        cause: 'takeover',
        probing: true,
        redrives: item.redrives,
      }),
    );
  }

  async written(): Promise<void> {
    if (this.#settler !== undefined) await within(this.#context.timers, endMs, this.#settler.end());
  }

  halts(): boolean {
    return false;
  }

  level(part: Part): void {
    if (this.ordered && stallChanges(part, this.#credit)) this.#handle.changed();
  }

  /** Its state in the broker says so when it is given back. */
  shown(): void {}

  /** It is still leased, or on its way back. */
  dropped(): void {}

  #stateOf(item: Item, cause: Cause): string {
    return encodeState({
      failed: item.failed,
      crashes: item.crashes,
      cause,
      probing: false,
      redrives: item.redrives,
    });
  }

  async #settle(settlement: Settlement): Promise<boolean> {
    this.#settling.add(settlement.token);
    try {
      return (await this.#settler?.now(settlement)) ?? false;
    } finally {
      this.#settling.delete(settlement.token);
    }
  }

  async #note(item: Item, state: string): Promise<'kept' | 'moved' | 'lost'> {
    try {
      const noted = (await this.#loop.member?.note(item.handle, state)) ?? 'lost';
      this.movesSuspects ||= noted === 'moved';
      return noted;
    } catch (error) {
      this.#link.failed(error);
      return 'lost';
    }
  }

  #take(member: QueueMember): void {
    const { prefetch, name } = this.#consume;
    this.#settledBefore += this.#settler?.settled ?? 0;
    this.#settler = new Settler(
      member,
      this.#context.timers,
      {
        intervalMs: this.#context.options.settleIntervalMs ?? 50,
        size: Math.max(1, Math.min(100, prefetch >> 1)),
      },
      (error) => this.#loop.giveUp(member, endOf(error, `settling documents of '${name}'`)),
    );
    if (!this.ordered) this.#assign(0);
  }

  /** Returns why the member is over, if it is. */
  #apply(events: readonly QueueEvent[]): BusError | undefined {
    for (const event of events) {
      if (event.type === 'gone') throw event.error;
      if (event.type === 'lost') return event.error;
      if (event.type === 'records') this.#add(event.partition, event.records);
      else if (event.type === 'assigned') this.#assign(event.partition);
      else if (event.type === 'revoked') this.#end(event.partition);
      else if (event.type === 'revoking') void this.#giveUp(event.partition, event.withinMs);
    }
    return undefined;
  }

  #assign(partition: number): void {
    this.#leases.set(partition, { alive: true, epoch: 0 });
    if (!this.#parts.has(partition))
      this.#parts.set(partition, this.#handle.dispatcher.part(this, partition));
    this.#handle.dispatcher.go(this.#parts.get(partition) as Part);
  }

  #add(partition: number, records: readonly Leased[]): void {
    const lease = this.#leases.get(partition);
    const part = this.#parts.get(partition);
    if (lease === undefined || part === undefined) return;
    const now = this.#context.timers.now();
    this.#handle.dispatcher.add(
      part,
      records.map((record) => this.#item(record, part, lease, now)),
    );
  }

  #item(record: Leased, part: Part, lease: Lease, now: number): Item {
    const { envelope, broken } = openRecord(record, this.#driver.binding);
    let state: DeliveryState = freshState;
    let unreadable = broken;
    try {
      state = decodeState(record.state);
    } catch (error) {
      if (!BusError.is(error)) throw error;
      unreadable ??= new DecodeFailure('decode', error, envelope?.attributes);
    }
    const innocent =
      envelope !== undefined &&
      this.#innocent.get(part.partition)?.delete(identityOf(envelope.attributes)) === true;
    // Stored anew with its try written: that try is the one that begins now.
    const probing = state.probing && !record.redelivered;
    return newItem({
      part,
      lease,
      record,
      envelope,
      broken: unreadable,
      lane: this.ordered ? envelope?.key : undefined,
      redelivered: record.redelivered,
      now,
      handle: record.token,
      cause: record.redelivered ? this.#causeOfRepeat() : state.cause,
      failed: state.failed,
      crashes: probing ? state.crashes - 1 : state.crashes,
      redrives: state.redrives,
      suspect: (record.redelivered && !innocent) || state.probing,
      probing,
    });
  }

  #causeOfRepeat(): Cause {
    return this.#driver.capabilities.brokerRepeats ? 'broker' : 'takeover';
  }

  async #giveUp(partition: number, withinMs: number): Promise<void> {
    const part = this.#parts.get(partition);
    const lease = this.#leases.get(partition);
    const { member } = this.#loop;
    if (part === undefined || lease === undefined || member === undefined) return;
    const { dispatcher } = this.#handle;
    const { timers } = this.#context;
    const until = timers.now() + Math.min(this.#consume.graceMs, withinMs);
    dispatcher.stop(part);
    if (await dispatcher.drained(part, until - timers.now()))
      await dispatcher.written(until - timers.now());
    else
      dispatcher.abort(
        part,
        new BusError(
          'DUOBUS_CLOSED',
          `partition ${partition} of topic '${this.topic.name}' moves to another consumer`,
        ),
      );
    if (!lease.alive) return;
    this.#giveBack(part);
    await this.#settler?.end();
    if (!lease.alive) return;
    this.#end(partition);
    try {
      await member.release(partition);
    } catch (error) {
      this.#link.failed(error);
    }
  }

  /** What has not been handled is not to be taken for something that a process has died of. */
  #giveBack(part: Part): void {
    for (const item of this.#handle.dispatcher.withdraw(part, () => true)) {
      if (!item.lease.alive || this.#settling.has(item.handle)) continue;
      const state = this.#stateOf(item, 'returned');
      this.#settler?.add({ token: item.handle, verdict: 'back', state });
    }
  }

  #end(partition: number): void {
    const lease = this.#leases.get(partition);
    const part = this.#parts.get(partition);
    if (lease === undefined || part === undefined) return;
    lease.alive = false;
    this.#leases.delete(partition);
    const { dispatcher } = this.#handle;
    const held = new Set<string>();
    for (const { attributes } of [...dispatcher.runningOf(part), ...dispatcher.withdraw(part)])
      if (attributes !== undefined) held.add(identityOf(attributes));
    this.#innocent.set(partition, held);
  }

  #endAll(): void {
    for (const partition of this.#leases.keys()) this.#end(partition);
  }

  /** What was on its way when intake stopped. */
  async #takeRest(member: QueueMember): Promise<void> {
    const none = new AbortController();
    setImmediate(() => none.abort(quiescing));
    try {
      for (const event of await member.receive(none.signal))
        if (event.type === 'records') this.#add(event.partition, event.records);
    } catch (error) {
      // What cannot be received any more goes back by itself when the member ends.
      if (error !== quiescing) this.#link.failed(error);
    }
  }
}

function identityOf(attributes: { readonly source: string; readonly id: string }): string {
  return `${attributes.source} ${attributes.id}`;
}
