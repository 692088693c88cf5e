import {
  abortable,
  Bell,
  BusError,
  Inbox,
  type LogEvent,
  type LogMember,
  type Place,
  type PointerWrite,
} from '@duobus/core/driver';
import { Carrier } from './carrier.ts';
import { Fetcher } from './fetcher.ts';
import type { GroupShares } from './group-shares.ts';
import { GroupSession, type Session } from './group-session.ts';
import { Leaders } from './leaders.ts';
import type { LogEnds } from './log-ends.ts';
import { classify, isConnectionFailure, kafkaCode } from './native-errors.ts';
import type { Settings } from './options.ts';
import { checkPointer, commitPointers, fetchPointers } from './pointer-store.ts';
import { within } from './waiting.ts';

interface Owned {
  readonly token: number;
  readonly session: Session;
}

export interface MemberContext {
  readonly settings: Settings;
  readonly ends: LogEnds;
  readonly groupId: string;
  readonly shares: GroupShares;
  /** For messages. */
  readonly topic: string;
  readonly group: string;
  /** See `FetchPatience`. */
  readonly idleWaitMs?: number;
  /** Called when it is closed. */
  left(): void;
}

const illegalGeneration = 22;
const unknownMember = 25;
const rebalanceInProgress = 27;
const unknownTopic = 3;
const fencing: readonly (number | undefined)[] = [
  illegalGeneration,
  unknownMember,
  rebalanceInProgress,
];
const leaveWithinMs = 2_000;
/** Beyond this share of the session without a good heartbeat nothing is handed out: others may own it by now. */
const leaseShare = 0.8;
const beatShare = 0.3;

/** One consumer of a group: joins, owns partitions under Kafka's generations, commits, gives them up in order. */
export class GroupMember implements LogMember {
  readonly #context: MemberContext;
  readonly #groupId: string;
  readonly #carrier: Carrier;
  readonly #fetchCarrier: Carrier;
  readonly #groupSession: GroupSession;
  readonly #fetcher: Fetcher;
  readonly #inbox = new Inbox<LogEvent>();
  readonly #owned = new Map<number, Owned>();
  readonly #bell = new Bell();
  readonly #fresh = new Bell();
  readonly #ending = new AbortController();
  #claims: readonly number[] = [];
  #lastToken = 0;
  #lastBeat = Date.now();
  #giveUp = false;
  #over = false;
  #loop: Promise<void> = Promise.resolve();
  #left: Promise<void> | undefined;

  constructor(context: MemberContext) {
    const { settings, shares, groupId, idleWaitMs } = context;
    this.#context = context;
    this.#groupId = groupId;
    this.#carrier = new Carrier(settings);
    this.#fetchCarrier = new Carrier(settings);
    this.#groupSession = new GroupSession(this.#carrier, settings, groupId, shares.topic);
    this.#fetcher = new Fetcher(
      shares,
      this.#fetchCarrier,
      new Leaders(this.#fetchCarrier),
      {
        records: (partition, token, records) =>
          this.#inbox.push({ type: 'records', partition, token, records }),
        outOfRange: (partition, token) => void this.#trimmed(partition, token),
        failed: (error) => this.#end(error),
      },
      { troubleMs: settings.sessionTimeoutMs, idleWaitMs },
    );
  }

  /** Reaches the coordinator, so that what cannot work fails here; then goes on by itself. */
  async open(signal: AbortSignal): Promise<void> {
    try {
      await this.#carrier.coordinated(this.#groupId, signal, async () => undefined);
      this.#loop = this.#run();
    } catch (error) {
      this.#cut();
      throw error;
    }
  }

  async receive(signal: AbortSignal): Promise<readonly LogEvent[]> {
    if (this.#left !== undefined) throw closed(this.#context);
    for (;;) {
      const events = await this.#inbox.receive(signal);
      if (events.some(({ type }) => type === 'records')) await this.fresh(signal);
      const current = events.filter(
        (event) =>
          event.type !== 'records' || this.#owned.get(event.partition)?.token === event.token,
      );
      for (const event of current)
        if (event.type === 'records') this.#fetcher.taken(event.partition, event.token);
      if (current.length > 0) return current;
    }
  }

  start(partition: number, token: number, place: Place): void {
    if (this.#owned.get(partition)?.token !== token) return;
    this.#inbox.discard(
      (event) => event.type === 'records' && event.token === token && event.partition === partition,
    );
    this.#fetcher.start(partition, token, place.offset);
  }

  flow(partition: number, token: number, open: boolean): void {
    this.#fetcher.flow(partition, token, open);
  }

  async commit(writes: readonly PointerWrite[]): Promise<readonly ('ok' | 'fenced')[]> {
    if (this.#left !== undefined) throw closed(this.#context);
    for (const { pointer, partition } of writes) checkPointer(pointer, partition);
    const holders = writes.map(({ partition, token }) => this.#holder(partition, token));
    const session = holders.find((owned) => owned !== undefined)?.session;
    if (session === undefined) return writes.map(() => 'fenced');
    const ours = writes.filter((_, index) => holders[index] !== undefined);
    try {
      await this.#carrier.coordinated(this.#groupId, this.#ending.signal, (broker) =>
        commitPointers(broker, this.#groupId, this.#context.shares, session, ours),
      );
      return holders.map((owned) => (owned === undefined ? 'fenced' : 'ok'));
    } catch (error) {
      if (fencing.includes(kafkaCode(error))) return writes.map(() => 'fenced');
      throw this.explain(error, 'writing the pointers');
    }
  }

  async release(partition: number, token: number): Promise<void> {
    if (this.#holder(partition, token) === undefined) return;
    this.#drop(partition);
    if (!this.#groupSession.leaving) {
      this.#claims = this.#claims.filter((claimed) => claimed !== partition);
      this.#giveUp = true;
    }
    this.#bell.ring();
  }

  async close(): Promise<void> {
    this.#left ??= this.#leave();
    await this.#left;
  }

  #holder(partition: number, token: number): Owned | undefined {
    const owned = this.#owned.get(partition);
    return owned?.token === token ? owned : undefined;
  }

  async #run(): Promise<void> {
    try {
      while (!this.#ending.signal.aborted) {
        await this.#join();
        const known = await this.#live();
        if (known) await this.#empty();
        this.#dropAll();
      }
    } catch (error) {
      if (!this.#ending.signal.aborted) this.#end(error);
    }
  }

  async #join(): Promise<void> {
    const { settings, shares } = this.#context;
    const { signal } = this.#ending;
    for (;;) {
      const partitions = await shares.count();
      const startedAt = Date.now();
      const session = await this.#groupSession.join(
        { role: 'member', id: '', owned: this.#claims, partitions },
        settings.rebalanceTimeoutMs,
        signal,
      );
      if (session === undefined) continue;
      this.#lastBeat = Math.max(startedAt, session.syncedAt);
      const { companion } = shares;
      const owned =
        companion !== undefined && session.owned.includes(0)
          ? [...session.owned, companion]
          : session.owned;
      const pointers = await this.#carrier.coordinated(this.#groupId, signal, (broker) =>
        fetchPointers(broker, this.#groupId, shares, owned),
      );
      this.#giveUp = false;
      this.#claims = session.owned;
      owned.forEach((partition, index) => {
        this.#lastToken += 1;
        this.#owned.set(partition, { token: this.#lastToken, session });
        this.#inbox.push({
          type: 'assigned',
          partition,
          token: this.#lastToken,
          pointer: pointers[index],
        });
      });
      this.#fresh.ring();
      return;
    }
  }

  /** Until the group moves on. Answers whether this member is still part of it. */
  async #live(): Promise<boolean> {
    const { settings } = this.#context;
    let lookAt = Date.now() + settings.metadataIntervalMs;
    while (!this.#ending.signal.aborted) {
      await this.#bell.wait(settings.heartbeatIntervalMs);
      if (this.#ending.signal.aborted) break;
      const code = await this.#beat();
      if (code === illegalGeneration || code === unknownMember) {
        if (code === unknownMember) this.#groupSession.forget();
        return false;
      }
      if (code === rebalanceInProgress || this.#giveUp) return true;
      if (Date.now() < lookAt) continue;
      lookAt = Date.now() + settings.metadataIntervalMs;
      if (await this.#grown()) return true;
    }
    return true;
  }

  /** A broker that is away, or a coordinator on the move, is waited for as long as the broker waits for us. */
  async #beat(): Promise<number | undefined> {
    const { sessionTimeoutMs } = this.#context.settings;
    const sentAt = Date.now();
    const late = (): Error =>
      Object.assign(new Error('no heartbeat'), { name: 'KafkaJSRequestTimeoutError' });
    try {
      await within(
        this.#groupSession.heartbeat(),
        Math.max(1_000, sessionTimeoutMs * beatShare),
        late,
      );
      this.#beatAt(sentAt);
      return undefined;
    } catch (error) {
      const code = kafkaCode(error);
      if (code === rebalanceInProgress) this.#beatAt(sentAt);
      if (fencing.includes(code)) return code;
      const passing =
        isConnectionFailure(error) ||
        (BusError.is(error) && error.retryable) ||
        classify(error).retryable;
      if (!passing || Date.now() - this.#lastBeat > sessionTimeoutMs) throw error;
      this.#carrier.disconnect();
      return undefined;
    }
  }

  #beatAt(sentAt: number): void {
    this.#lastBeat = sentAt;
    this.#fresh.ring();
  }

  async #grown(): Promise<boolean> {
    try {
      return (await this.#context.shares.count()) > this.#groupSession.partitions;
    } catch (error) {
      if (classify(error).retryable) return false; // heartbeats tell whether the broker is away
      throw error;
    }
  }

  /** Everything is given up before Kafka is asked for new shares, so that nothing runs that a new owner could repeat. */
  async #empty(): Promise<void> {
    const { settings } = this.#context;
    this.#groupSession.leaving = true;
    this.#fetcher.stopAll();
    this.#inbox.discard(({ type }) => type === 'records');
    try {
      let told: 'rebalance' | 'reset' | undefined;
      // the last moments are for the way to the broker
      for (
        let deadline = Date.now() + settings.rebalanceTimeoutMs * 0.85;
        this.#owned.size > 0 && Date.now() < deadline && !this.#ending.signal.aborted;
      ) {
        const graceMs = told === 'reset' ? undefined : await this.#groupSession.resetter();
        if (graceMs !== undefined) deadline = Math.min(deadline, Date.now() + graceMs);
        const cause = graceMs === undefined ? (told ?? 'rebalance') : 'reset';
        if (cause !== told) this.#tell(cause, Math.max(0, deadline - Date.now()));
        told = cause;
        if (this.#owned.size === 0) break;
        await this.#bell.wait(
          Math.min(settings.heartbeatIntervalMs, Math.max(1, deadline - Date.now())),
        );
        if (this.#owned.size === 0) break;
        const code = await this.#beat();
        if (code === unknownMember) this.#groupSession.forget();
        if (code === unknownMember || code === illegalGeneration) break;
      }
    } finally {
      this.#groupSession.leaving = false;
    }
  }

  #tell(cause: 'rebalance' | 'reset', withinMs: number): void {
    for (const [partition, { token }] of this.#owned)
      this.#inbox.push({ type: 'revoking', partition, token, cause, withinMs });
  }

  #drop(partition: number): void {
    this.#owned.delete(partition);
    this.#fetcher.stop(partition);
  }

  #dropAll(): void {
    this.#fetcher.stopAll();
    this.#inbox.discard(({ type }) => type === 'records');
    for (const [partition, { token }] of this.#owned) {
      this.#owned.delete(partition);
      this.#inbox.push({ type: 'revoked', partition, token });
    }
    this.#fresh.ring();
  }

  async #trimmed(partition: number, token: number): Promise<void> {
    try {
      const at = this.#context.shares.at(partition);
      const [bounds] = await this.#context.ends.bounds(at.topic, [at.partition]);
      if (bounds !== undefined && this.#holder(partition, token) !== undefined)
        this.#inbox.push({ type: 'trimmed', partition, token, bounds });
    } catch (error) {
      this.#end(error);
    }
  }

  /** A process that was frozen hands out nothing until a heartbeat has shown that it is still the owner. */
  async fresh(signal: AbortSignal): Promise<void> {
    const leaseMs = this.#context.settings.sessionTimeoutMs * leaseShare;
    while (this.#owned.size > 0 && !this.#over && Date.now() - this.#lastBeat > leaseMs)
      await abortable(this.#fresh.wait(), signal);
  }

  #end(error: unknown): void {
    if (this.#over || this.#left !== undefined) return;
    this.#over = true;
    const reason = this.explain(error, 'consuming');
    const gone =
      reason.code === 'DUOBUS_NOT_FOUND' || kafkaCode(error) === unknownTopic || !reason.retryable;
    this.#ending.abort(reason);
    this.#dropAll();
    this.#inbox.push({ type: gone ? 'gone' : 'lost', error: reason });
    this.#bell.ring();
    this.#cut();
  }

  explain(error: unknown, attempt: string): BusError {
    const { topic, group } = this.#context;
    return classify(error, `${attempt} of group '${group}' of topic '${topic}'`, { topic, group });
  }

  async #leave(): Promise<void> {
    const wasOver = this.#over;
    this.#ending.abort(closed(this.#context));
    this.#bell.ring();
    this.#fetcher.close();
    this.#owned.clear();
    // a broker that cannot be told, which is no error, finds out by the end of the session
    if (!wasOver)
      await within(
        this.#groupSession.leave(),
        leaveWithinMs,
        () => new Error('the broker did not answer'),
      ).catch(() => undefined);
    this.#cut();
    await this.#loop;
    this.#context.left();
  }

  #cut(): void {
    this.#fetcher.close();
    this.#carrier.close();
  }
}

function closed({ group }: MemberContext): BusError {
  return new BusError('DUOBUS_CLOSED', `this member of group '${group}' has been closed`);
}
