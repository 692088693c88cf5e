import { isDeepStrictEqual } from 'node:util';
import {
  BusError,
  Inbox,
  type Leased,
  type LogEvent,
  type LogRecord,
  type QueueEvent,
  type QueueMember,
  type Settlement,
  type StoredPointer,
} from '@duobus/core/driver';
import type { Copies } from './copies.ts';
import { decodeCopy, encodeCopy } from './copy-codec.ts';
import type { GroupMember } from './group-member.ts';
import type { GroupShares } from './group-shares.ts';
import { Ledger } from './ledger.ts';
import type { LogEnds } from './log-ends.ts';
import type { Subscription } from './subscriptions.ts';
import { ownPartitions } from './topology.ts';

export interface DeadMemberContext {
  readonly subscription: Subscription;
  readonly group: GroupMember;
  readonly copies: Copies;
  readonly ends: LogEnds;
  restore(): Promise<StoredPointer>;
  /** Some letters from an offset on. */
  read(offset: number): Promise<readonly LogRecord[]>;
  settled(): void;
}

/** A dead letter that was handed out. */
interface Letter {
  readonly copy: LogRecord;
  over: boolean;
}

/** The text of the pointer has room for more runs between gaps than this; with more, letters are put behind the others. */
const mostGaps = 600;
const moveAtOnce = 100;
const number = 0;

/** The dead letters of a subscription are one partition, so that their group lets one member in at a time. */
export function deadShares(subscription: Subscription, check: () => Promise<void>): GroupShares {
  const { own } = subscription;
  return {
    topic: own,
    at: () => ({ topic: own, partition: ownPartitions.dead }),
    count: async () => {
      await check();
      return 1;
    },
  };
}

/** Lists dead letters, from the first to what was the last when it began. */
export class KafkaDeadMember implements QueueMember {
  readonly #context: DeadMemberContext;
  readonly #inbox = new Inbox<QueueEvent>();
  /** Where letters are now that were put behind the others. */
  readonly #moved = new Map<number, number>();
  #ledger: Ledger | undefined;
  /** The pointer as this member knows it: if another had been the owner meanwhile it would be a different one. */
  #known: StoredPointer | undefined;
  /** Of the assignment; `undefined` while the group is being rebalanced. */
  #token: number | undefined;
  #lost = false;
  #end = 0;
  #handedTo = 0;
  #idle = false;
  readonly #closing = new AbortController();
  #closed = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(context: DeadMemberContext) {
    this.#context = context;
  }

  /** One fetch at a time: what is not asked for stays in Kafka. */
  async receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    for (;;) {
      if (this.#closed) throw closed(this.#context);
      if (this.#inbox.size > 0) return await this.#inbox.receive(signal);
      await this.#pump(signal);
    }
  }

  async settle(batch: readonly Settlement[]): Promise<readonly ('settled' | 'lost')[]> {
    if (this.#closed) throw closed(this.#context);
    const copied = batch.flatMap((settlement) => {
      const letter = settlement.token as Letter;
      return this.#holds(letter) ? [this.#copy(letter.copy, settlement)] : [];
    });
    await Promise.all(copied);
    return await this.#inTurn(async () => {
      const done = batch.map(({ token, verdict }) => this.#settled(token as Letter, verdict));
      const kept = (await this.#write()) && (await this.#tidy());
      this.#context.settled();
      return done.map((one) => (one && kept ? 'settled' : 'lost'));
    });
  }

  async note(token: unknown, state: string): Promise<'kept' | 'lost'> {
    const letter = token as Letter;
    return await this.#inTurn(async () => {
      if (!this.#holds(letter)) return 'lost';
      this.#ledger?.note(this.#placeOf(letter), state);
      return (await this.#write()) ? 'kept' : 'lost';
    });
  }

  async release(): Promise<void> {
    await Promise.resolve(); // its one partition goes when it is closed
  }

  async stop(): Promise<void> {
    await Promise.resolve(); // nothing is fetched that is not asked for
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#closing.abort(closed(this.#context));
    await this.#turn;
    await this.#context.group.close();
  }

  async #apply(event: LogEvent): Promise<void> {
    if (event.type === 'lost' || event.type === 'gone') {
      this.#lost = true;
      this.#inbox.push(event);
    } else if (event.type === 'assigned') await this.#assigned(event);
    else if (event.type === 'records') this.#handOut(event.records);
    else if (event.type === 'trimmed') this.#start(event.bounds.first.offset);
    else if (event.type === 'revoked') this.#token = undefined;
    // another has come, and is to wait: who has a partition is given it again
    else {
      this.#token = undefined;
      await this.#context.group.release(number, event.token);
    }
  }

  async #pump(signal: AbortSignal): Promise<void> {
    for (const event of await this.#context.group.receive(signal)) await this.#apply(event);
  }

  async #assigned({ token, pointer }: LogEvent & { readonly type: 'assigned' }): Promise<void> {
    const { ends, subscription, restore } = this.#context;
    if (this.#ledger !== undefined) {
      if (isDeepStrictEqual(pointer, this.#known)) this.#goOn(token);
      else this.#lose();
      return;
    }
    const { place, text } = pointer ?? (await restore());
    const [bounds] = await ends.bounds(subscription.own, [ownPartitions.dead]);
    this.#token = token;
    this.#known = pointer;
    this.#ledger = new Ledger(place.offset, text);
    this.#end = bounds?.end.offset ?? 0;
    this.#start(Math.max(this.#ledger.next, bounds?.first.offset ?? 0));
  }

  #start(offset: number): void {
    this.#ledger?.startsAt(offset);
    if (offset >= this.#end) this.#finish();
    else if (this.#token !== undefined)
      this.#context.group.start(number, this.#token, { offset, time: 0 });
    this.#handedTo = offset;
  }

  #goOn(token: number): void {
    this.#token = token;
    if (!this.#idle) this.#context.group.start(number, token, { offset: this.#handedTo, time: 0 });
  }

  #handOut(records: readonly LogRecord[]): void {
    const ledger = this.#ledger;
    if (ledger === undefined || this.#idle) return;
    const leased: Leased[] = [];
    for (const copy of records) {
      const { offset } = copy;
      if (offset >= this.#end || !ledger.holds(offset)) continue;
      ledger.reached(offset + 1);
      const letter: Letter = { copy, over: false };
      const { record, marks } = decodeCopy(copy);
      const state = ledger.state(offset) ?? marks.state;
      leased.push({ ...record, token: letter, redelivered: true, state });
    }
    if (leased.length > 0)
      this.#inbox.push({ type: 'records', partition: number, records: leased });
    this.#handedTo = (records.at(-1)?.offset ?? 0) + 1;
    if (this.#handedTo >= this.#end) this.#finish();
  }

  #finish(): void {
    if (this.#idle) return;
    this.#idle = true;
    if (this.#token !== undefined) this.#context.group.flow(number, this.#token, false);
    this.#inbox.push({ type: 'idle' });
  }

  /** Another has been the owner meanwhile: what was handed out may not be there any more. */
  #lose(): void {
    this.#lost = true;
    const message = `listing the dead letters of subscription '${this.#context.subscription.name}' was interrupted`;
    this.#inbox.push({
      type: 'lost',
      error: new BusError('DUOBUS_UNAVAILABLE', message, { retryable: true }),
    });
  }

  async #copy(copy: LogRecord, settlement: Settlement): Promise<void> {
    const { copies, subscription } = this.#context;
    if (settlement.verdict === 'done' || settlement.verdict === 'back') return;
    const again = settlement.verdict === 'again';
    const partition = again ? ownPartitions.retries : ownPartitions.dead;
    const due = again ? Date.now() + settlement.delayMs : 0;
    const marks = { state: settlement.state, due };
    const { record } = decodeCopy(copy);
    await copies.append({ topic: subscription.own, partition }, encodeCopy(record, marks));
  }

  #settled(letter: Letter, verdict: Settlement['verdict']): boolean {
    if (!this.#holds(letter)) return false;
    letter.over = true;
    if (verdict !== 'back') this.#ledger?.settled(this.#placeOf(letter));
    return true;
  }

  #holds({ over }: Letter): boolean {
    return !over && !this.#lost;
  }

  #placeOf({ copy: { offset } }: Letter): number {
    return this.#moved.get(offset) ?? offset;
  }

  async #write(): Promise<boolean> {
    const ledger = this.#ledger;
    if (ledger === undefined) return false;
    const pointer = { place: { offset: ledger.next, time: 0 }, text: ledger.text(0) };
    for (;;) {
      while (this.#token === undefined && !this.#lost) await this.#pump(this.#closing.signal);
      if (this.#lost || this.#token === undefined) return false;
      const write = { partition: number, token: this.#token, pointer };
      const [result] = await this.#context.group.commit([write]);
      if (result === 'ok') {
        this.#known = pointer;
        return true;
      }
      await this.#pump(this.#closing.signal);
    }
  }

  /** Letters between too many gaps are put behind the others, those at the front first. */
  async #tidy(): Promise<boolean> {
    const { copies, subscription, read } = this.#context;
    const at = { topic: subscription.own, partition: ownPartitions.dead };
    const ledger = this.#ledger;
    if (ledger === undefined) return false;
    for (; ledger.gaps > mostGaps; ) {
      const found = (await read(ledger.next)).filter(
        ({ offset }) => offset < this.#handedTo && ledger.holds(offset),
      );
      for (const copy of found.slice(0, moveAtOnce)) {
        const { record, marks } = decodeCopy(copy);
        const state = ledger.state(copy.offset) ?? marks.state;
        const offset = await copies.append(at, encodeCopy(record, { ...marks, state }));
        ledger.settled(copy.offset);
        if (offset < 0) continue;
        ledger.reached(offset + 1);
        this.#moved.set(copy.offset, offset);
      }
      if (found.length === 0) return true;
      if (!(await this.#write())) return false;
    }
    return true;
  }

  /** One after the other: two writes of the pointer must not overtake one another. */
  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(step);
    this.#turn = result.catch(() => undefined); // told to the caller of this step; the next one goes on
    return result;
  }
}

function closed({ subscription }: DeadMemberContext): BusError {
  return new BusError(
    'DUOBUS_CLOSED',
    `this list of the dead letters of subscription '${subscription.name}' is closed`,
  );
}
