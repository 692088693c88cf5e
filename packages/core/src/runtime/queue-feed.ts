import type { DeadReason } from '../dead-letters.ts';
import type { Leased, QueueDriver, QueueEvent, QueueMember, StoredTopic } from '../driver.ts';
import type { Cause } from '../delivery.ts';
import { BusError } from '../errors.ts';
import { DecodeFailure } from '../decode.ts';
import { delayOf, reconnectBackoff } from './backoff.ts';
import type { Consume } from './consume-options.ts';
import { endOf, type ConsumerHandle } from './consumer-handle.ts';
import type { Context } from './context.ts';
import type { Feed } from './feed.ts';
import { blockedIn, newItem, type Item, type Lease, type Part, type Source } from './item.ts';
import type { Link } from './link.ts';
import { openRecord } from './runner.ts';
import { Settler } from './settler.ts';
import { decodeState, encodeState, freshState, type DeliveryState } from './state.ts';

/** Why a member's loop ends although nothing is wrong. */
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
  /** Where too much waits behind failing documents. */
  readonly #stalled = new Set<Part>();
  /** Documents this process held when its connection broke: it lives, so they have not killed it. */
  #innocent = new Set<string>();
  #member: QueueMember | undefined;
  #settler: Settler | undefined;
  #settledBefore = 0;
  #loop: Promise<void> = Promise.resolve();
  #intake = new AbortController();
  #down: string | undefined;
  readonly topic: StoredTopic;
  readonly ordered: boolean;
  reconnects = 0;

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
  }

  get topicName(): string {
    return this.topic.name;
  }

  get holds(): boolean {
    return this.ordered;
  }

  get settled(): number {
    return this.#settledBefore + (this.#settler?.settled ?? 0);
  }

  get partitions(): readonly number[] {
    return this.ordered ? [...this.#leases.keys()] : [];
  }

  get trouble(): Feed['trouble'] {
    if (this.#down !== undefined) return { state: 'stalled', detail: this.#down };
    for (const part of this.#stalled) {
      return {
        state: 'stalled',
        detail: `partition ${part.partition} of topic '${this.topic.name}' holds ${blockedIn(part)} documents behind failing ones`,
      };
    }
    return undefined;
  }

  /** Where order is by key, what is held counts as credit: so no more than `maxAhead` is ever held. */
  get #credit(): number {
    return this.ordered ? this.#consume.maxAhead : this.#consume.prefetch;
  }

  async open(signal: AbortSignal | undefined): Promise<void> {
    this.#take(
      await this.#link.request(
        (inner) =>
          this.#driver.consume(this.topic, this.#consume.name, 'main', this.#credit, inner),
        { signal },
      ),
    );
    this.#loop = this.#run();
  }

  idle(): void {
    this.#settler?.soon();
  }

  async quiesce(): Promise<void> {
    this.#intake.abort(quiescing);
    await this.#loop;
    try {
      await this.#member?.stop();
    } catch (error) {
      this.#link.failed(error);
    }
  }

  async finish(): Promise<void> {
    const member = this.#member;
    if (member === undefined) return;
    try {
      await this.#takeRest(member);
      for (const part of this.#parts.values()) {
        for (const item of this.#handle.dispatcher.withdraw(part, () => true)) {
          if (item.lease.alive)
            this.#settler?.add({
              token: item.handle,
              verdict: 'back',
              state: this.#stateOf(item, 'returned'),
            });
        }
      }
      await this.#settler?.end();
    } finally {
      for (const lease of this.#leases.values()) lease.alive = false;
      await member.close();
    }
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

  halts(): boolean {
    return false;
  }

  level(part: Part): void {
    if (!this.ordered) return;
    const stalled = blockedIn(part) >= this.#credit;
    if (this.#stalled.has(part) === stalled) return;
    if (stalled) this.#stalled.add(part);
    else this.#stalled.delete(part);
    this.#handle.changed();
  }

  #stateOf(item: Item, cause: Cause): string {
    return encodeState({
      failed: item.failed,
      crashes: item.crashes,
      cause,
      probing: false,
      redrives: item.redrives,
    });
  }

  #settle(settlement: Parameters<Settler['now']>[0]): Promise<boolean> {
    return this.#settler?.now(settlement) ?? Promise.resolve(false);
  }

  async #note(item: Item, state: string): Promise<'kept' | 'moved' | 'lost'> {
    try {
      return (await this.#member?.note(item.handle, state)) ?? 'lost';
    } catch (error) {
      this.#link.failed(error);
      return 'lost';
    }
  }

  #take(member: QueueMember): void {
    const { prefetch } = this.#consume;
    this.#member = member;
    this.#settledBefore += this.#settler?.settled ?? 0;
    this.#settler = new Settler(
      member,
      this.#context.timers,
      {
        intervalMs: this.#context.options.settleIntervalMs ?? 50,
        size: Math.max(1, Math.min(100, prefetch >> 1)),
      },
      (error) => this.#handle.fail(endOf(error, 'settling')),
    );
    if (!this.ordered) this.#assign(0);
  }

  async #run(): Promise<void> {
    const { signal } = this.#intake;
    try {
      while (!signal.aborted) {
        const member = this.#member as QueueMember;
        const over = await this.#receive(member, signal);
        if (over === undefined) continue;
        this.#endAll();
        this.#member = undefined;
        this.#down = `the consumer of '${this.#consume.name}' was lost: ${over.message}`;
        this.#handle.changed();
        this.#link.failed(over);
        await member.close();
        await this.#reopen(signal);
      }
    } catch (error) {
      if (signal.aborted && error === signal.reason) return;
      this.#endAll();
      this.#handle.fail(endOf(error, `the subscription '${this.#consume.name}'`));
    }
  }

  /** Returns why the member is over, if it is. */
  async #receive(member: QueueMember, signal: AbortSignal): Promise<BusError | undefined> {
    for (const event of await member.receive(signal)) {
      if (event.type === 'gone') throw event.error;
      if (event.type === 'lost') return event.error;
      this.#apply(event);
    }
    return undefined;
  }

  async #reopen(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      await this.#context.timers.sleep(delayOf(reconnectBackoff, attempt), signal);
      try {
        await this.#link.ready(signal);
        this.#take(
          await this.#driver.consume(this.topic, this.#consume.name, 'main', this.#credit, signal),
        );
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

  #apply(event: QueueEvent): void {
    if (event.type === 'records') this.#add(event.partition, event.records);
    else if (event.type === 'assigned') this.#assign(event.partition);
    else if (event.type === 'revoked') this.#end(event.partition);
    else if (event.type === 'revoking') void this.#giveUp(event.partition, event.withinMs);
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
      envelope !== undefined && this.#innocent.delete(identityOf(envelope.attributes));
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
      crashes: state.crashes,
      redrives: state.redrives,
      suspect: (record.redelivered && !innocent) || state.probing,
      probing: state.probing && !record.redelivered,
    });
  }

  #causeOfRepeat(): Cause {
    return this.#driver.capabilities.brokerRepeats ? 'broker' : 'takeover';
  }

  async #giveUp(partition: number, withinMs: number): Promise<void> {
    const part = this.#parts.get(partition);
    const lease = this.#leases.get(partition);
    const member = this.#member;
    if (part === undefined || lease === undefined || member === undefined) return;
    const { dispatcher } = this.#handle;
    dispatcher.stop(part);
    if (!(await dispatcher.drained(part, Math.min(this.#consume.graceMs, withinMs)))) {
      dispatcher.abort(
        part,
        new BusError(
          'DUOBUS_CLOSED',
          `partition ${partition} of topic '${this.topic.name}' moves to another consumer`,
        ),
      );
    }
    if (!lease.alive) return;
    await this.#settler?.end();
    if (!lease.alive) return;
    this.#end(partition);
    try {
      await member.release(partition);
    } catch (error) {
      this.#link.failed(error);
    }
  }

  #end(partition: number): void {
    const lease = this.#leases.get(partition);
    const part = this.#parts.get(partition);
    if (lease === undefined || part === undefined) return;
    lease.alive = false;
    this.#leases.delete(partition);
    const { dispatcher } = this.#handle;
    for (const item of [...dispatcher.runningOf(part), ...dispatcher.withdraw(part)])
      this.#remember(item);
  }

  #endAll(): void {
    this.#innocent = new Set();
    for (const partition of this.#leases.keys()) this.#end(partition);
  }

  #remember(item: Item): void {
    if (item.attributes !== undefined) this.#innocent.add(identityOf(item.attributes));
  }

  /** What was on its way when intake stopped. */
  async #takeRest(member: QueueMember): Promise<void> {
    const none = new AbortController();
    setImmediate(() => none.abort(quiescing));
    try {
      for (const event of await member.receive(none.signal))
        if (event.type === 'records') this.#add(event.partition, event.records);
    } catch (error) {
      if (error !== quiescing) throw error;
    }
  }
}

function identityOf(attributes: { readonly source: string; readonly id: string }): string {
  return `${attributes.source} ${attributes.id}`;
}
