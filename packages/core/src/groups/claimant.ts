import type { PointerWrite, StoredPointer } from '../driver.ts';
import { BusError } from '../errors.ts';
import { Bell } from '../internal/bell.ts';
import type { Clock } from '../internal/clock.ts';
import { assign } from './assignment.ts';
import type { CellResult, Cells, CellWrite } from './cells.ts';
import { buryEdit } from './edits.ts';
import { limited } from './limited.ts';
import { Holdings, type Holding } from './holdings.ts';
import { Sightings } from './sightings.ts';
import { encodeMember, memberKey, readView, type View } from './view.ts';

/** What a claimant tells. */
export interface ClaimEvents {
  assigned(partition: number, token: number, pointer: StoredPointer | undefined): void;
  /** To be released within so many ms. May be said again with cause 'reset'. */
  revoking(partition: number, token: number, cause: 'rebalance' | 'reset', withinMs: number): void;
  /** No longer owned. */
  revoked(partition: number, token: number): void;
  /** It is over: nothing is owned any more. */
  ended(error: unknown): void;
}

export interface ClaimantOptions {
  readonly cells: Cells;
  readonly clock: Clock;
  /** Who has not been seen to live for so long is dead. */
  readonly leaseMs: number;
  /** The same again after a lost connection: then its partitions are its own still. */
  readonly id: string;
  /** How many partitions there are now. */
  readonly partitions: (signal: AbortSignal) => Promise<number>;
  readonly events: ClaimEvents;
}

const expelled = new BusError(
  'DUOBUS_UNAVAILABLE',
  'this member was taken for dead, or its group was removed: it joins again',
  { retryable: true },
);

/** Beyond this share of the lease without a sign of life written nothing is handed out: others may own it by now. */
const staleShare = 0.8;
/** Core's own grace time ends before. */
const rebalanceMs = 60_000;

/**
 * One member of a group over cells: shows that it lives, claims its share of the partitions, gives up what others should
 * have. All members come to the same shares by themselves. A partition's cell is the fence: only its owner knows the
 * version that a write needs, and taking it over changes the version.
 */
export class Claimant {
  readonly #options: ClaimantOptions;
  readonly #cells: Cells;
  readonly #clock: Clock;
  readonly #events: ClaimEvents;
  readonly #holdings: Holdings;
  readonly #members: Sightings;
  readonly #edits: Sightings;
  readonly #bell: Bell;
  readonly #fresh: Bell;
  readonly #ending = new AbortController();
  #unwatch: () => void = () => undefined;
  #beat = 0;
  #version: string | undefined;
  /** What its last sign of life is known to have got: a later version may be that of a successor of the same name. */
  #written: string | undefined;
  #beatenAt = 0;
  #partitions = 0;
  #over = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: ClaimantOptions) {
    const { cells, clock, leaseMs, events, id } = options;
    this.#options = options;
    this.#cells = cells;
    this.#clock = clock;
    this.#events = events;
    this.#holdings = new Holdings(cells, id);
    this.#members = new Sightings(leaseMs);
    this.#edits = new Sightings(leaseMs);
    this.#bell = new Bell(clock);
    this.#fresh = new Bell(clock);
  }

  /** Joins. Resolves when everybody can see it. */
  async open(signal: AbortSignal): Promise<void> {
    this.#partitions = await this.#options.partitions(signal);
    for (let shown = false; !shown; ) {
      const [known] = await this.#cells.get([memberKey(this.#options.id)], signal);
      this.#version = known?.version;
      shown = (await this.#show([], true, signal)).alive;
    }
    this.#unwatch = this.#cells.watch(() => this.#bell.ring());
    this.#loop = this.#run();
  }

  /** Whether this member may no longer be what it was: it has not shown for too long that it lives. */
  get stale(): boolean {
    return this.#clock.now() - this.#beatenAt > this.#options.leaseMs * staleShare;
  }

  /** Resolves when it is not stale, or over; rejects when it is closed first: then nothing shows any more that it lives. */
  async untilFresh(): Promise<void> {
    while (this.stale && !this.#over) {
      this.#ending.signal.throwIfAborted();
      await this.#fresh.wait(this.#options.leaseMs);
    }
  }

  owns(partition: number, token: number): boolean {
    return this.#holdings.find(partition, token) !== undefined;
  }

  /** Writes pointers. What is fenced has been lost to somebody else. */
  async commit(writes: readonly PointerWrite[]): Promise<readonly ('ok' | 'fenced')[]> {
    const results = await this.#holdings.commit(writes, this.#ending.signal);
    if (results.includes('fenced')) this.#bell.ring();
    return results;
  }

  async release(partition: number, token: number): Promise<void> {
    try {
      await this.#holdings.release(partition, token, this.#ending.signal);
    } finally {
      this.#bell.ring();
    }
  }

  /** Leaves, so that others take over at once if they can be told. */
  async close(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort(new BusError('DUOBUS_CLOSED', 'this member has been closed'));
    this.#bell.ring();
    this.#fresh.ring();
    this.#unwatch();
    await this.#loop;
    try {
      if (!this.#over) await this.#leave();
    } catch (error) {
      if (!BusError.is(error)) throw error; // the others take over when the lease ends
    }
  }

  #leave(): Promise<void> {
    const { id, leaseMs } = this.#options;
    return limited(this.#clock, leaseMs, async (signal) => {
      await this.#holdings.releaseAll(signal);
      if (this.#written === undefined) return;
      const farewell = { key: memberKey(id), value: undefined, ifVersion: this.#written };
      // a conflict: it is the successor's, or the answer to the last sign of life was lost and the lease ends
      await this.#cells.put([farewell], true, signal);
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    const everyMs = this.#options.leaseMs / 4;
    try {
      while (!signal.aborted) {
        if (!(await this.#tryToLook())) continue;
        const dueMs = this.#beatenAt + everyMs - this.#clock.now();
        await this.#bell.wait(Math.max(1, dueMs));
      }
    } catch (error) {
      if (!signal.aborted) this.#end(error);
    }
  }

  /** What fails for a moment is tried again while the lease lasts. */
  async #tryToLook(): Promise<boolean> {
    try {
      const { signal } = this.#ending;
      await limited(this.#clock, this.#options.leaseMs, (inner) => this.#look(inner), signal);
      return true;
    } catch (error) {
      if (!isPassing(error) || this.stale || this.#ending.signal.aborted) throw error;
      await this.#bell.wait(this.#options.leaseMs / 16);
      return false;
    }
  }

  #end(error: unknown): void {
    this.#over = true;
    this.#unwatch();
    this.#holdings.clear();
    this.#fresh.ring();
    this.#events.ended(error);
  }

  async #look(signal: AbortSignal): Promise<void> {
    this.#partitions = await this.#options.partitions(signal);
    const beganAt = this.#clock.now();
    const view = readView(await this.#cells.list(signal));
    signal.throwIfAborted();
    this.#see(view);
    const own = view.members.get(this.#options.id);
    if (own === undefined) throw expelled;
    this.#version = own.version; // the answer to the last sign of life may have been lost
    for (const { partition, token } of this.#holdings.lost(view))
      this.#events.revoked(partition, token);
    const writes = [...this.#corpses(view, beganAt)];
    const head = view.edits?.value[0];
    let claims: readonly Holding[] = [];
    if (head !== undefined) {
      if (this.#edits.isAlive(head.id, beganAt)) {
        this.#revokeAll(head.graceMs);
        await this.#holdings.releaseForgotten(view, () => true, signal);
      } else {
        await buryEdit(this.#cells, view, signal);
        this.#bell.ring();
      }
    } else claims = await this.#share(view, beganAt, signal);
    await this.#write(claims, writes, signal);
  }

  #see(view: View): void {
    const now = this.#clock.now();
    this.#members.look(new Map([...view.members].map(([id, { version }]) => [id, version])), now);
    this.#edits.look(new Map((view.edits?.value ?? []).map(({ id, beat }) => [id, beat])), now);
  }

  /** Members that are dead, to be removed. */
  *#corpses(view: View, now: number): Iterable<CellWrite> {
    for (const [id, { version }] of view.members)
      if (!this.#isAlive(id, now))
        yield { key: memberKey(id), value: undefined, ifVersion: version };
  }

  #isAlive(id: string, now: number): boolean {
    return id === this.#options.id || this.#members.isAlive(id, now);
  }

  #revokeAll(graceMs: number): void {
    for (const holding of this.#holdings.all) this.#revoke(holding, 'reset', graceMs);
  }

  #revoke(holding: Holding, cause: 'rebalance' | 'reset', withinMs: number): void {
    if (holding.revoking === cause || holding.revoking === 'reset') return;
    holding.revoking = cause;
    this.#events.revoking(holding.partition, holding.token, cause, withinMs);
  }

  /** What this member should own: revokes what is too much, returns what is free for it. */
  async #share(view: View, now: number, signal: AbortSignal): Promise<readonly Holding[]> {
    const { id } = this.#options;
    const members = [...view.members.keys()].filter((member) => this.#isAlive(member, now));
    const current = new Map<number, string>();
    for (const [partition, { value }] of view.partitions)
      if (members.includes(value.owner)) current.set(partition, value.owner);
    const shares = assign(members.toSorted(), this.#partitions, current);
    for (const holding of this.#holdings.all)
      if (shares.get(holding.partition) !== id) this.#revoke(holding, 'rebalance', rebalanceMs);
    await this.#holdings.releaseForgotten(
      view,
      (partition) => shares.get(partition) !== id,
      signal,
    );
    const free: Holding[] = [];
    for (const [partition, member] of shares) {
      if (member !== id || this.#holdings.has(partition)) continue;
      const cell = view.partitions.get(partition);
      const owner = cell?.value.owner ?? '';
      if (owner !== id && members.includes(owner)) continue;
      free.push({
        partition,
        token: (cell?.value.token ?? 0) + 1,
        pointer: cell?.value.pointer,
        version: cell?.version,
        revoking: undefined,
      });
    }
    return free;
  }

  /** Claims, and whatever else is to be written, with a sign of life when that is due. */
  async #write(
    claims: readonly Holding[],
    others: readonly CellWrite[],
    signal: AbortSignal,
  ): Promise<void> {
    const due = this.#clock.now() - this.#beatenAt >= this.#options.leaseMs / 4;
    if (!due && claims.length === 0 && others.length === 0) return;
    const writes = [...claims.map((claim) => this.#holdings.claimOf(claim)), ...others];
    const { alive, results } = await this.#show(writes, false, signal);
    // Of what was refused the next look tells why.
    if (!alive || results.some(({ status }) => status === 'conflict')) this.#bell.ring();
    if (!alive) return;
    claims.forEach((claim, at) => {
      const result = results[at] as CellResult;
      if (result.status === 'conflict') return;
      this.#holdings.add({ ...claim, version: result.version });
      this.#events.assigned(claim.partition, claim.token, claim.pointer);
    });
  }

  /** Writes a sign of life, and more in the same request. */
  async #show(
    writes: readonly CellWrite[],
    news: boolean,
    signal: AbortSignal,
  ): Promise<{ readonly alive: boolean; readonly results: readonly CellResult[] }> {
    const beganAt = this.#clock.now();
    this.#beat += 1;
    const own: CellWrite = {
      key: memberKey(this.#options.id),
      value: encodeMember(this.#beat),
      ifVersion: this.#version,
    };
    const [mine, ...results] = await this.#cells.put([own, ...writes], news, signal);
    if (mine?.status !== 'written') return { alive: false, results };
    this.#version = mine.version;
    this.#written = mine.version;
    this.#beatenAt = beganAt;
    this.#fresh.ring();
    return { alive: true, results };
  }
}

function isPassing(error: unknown): boolean {
  return BusError.is(error) && error.retryable && error !== expelled;
}
