import type { Leased } from '../driver.ts';
import type { MemberInbox } from '../member-inbox.ts';
import type { Cells } from './cells.ts';
import type { Clock } from '../internal/clock.ts';
import { Claimant } from './claimant.ts';

/** What a member receives from of one partition. */
export interface ClaimedPart {
  start(): void;
  /** Receives no more. When it resolves, all that had come is in the inbox. */
  stop(): Promise<void>;
}

export interface ClaimedPartitionsOptions<Part extends ClaimedPart, Lease extends Leased> {
  readonly cells: Cells;
  readonly clock: Clock;
  /** As ClaimantOptions. */
  readonly leaseMs: number;
  /** The same again for the next member of this process after one that was lost: what it owned is its own still. */
  readonly owner: string;
  /** Where it is told what is owned. */
  readonly inbox: MemberInbox<Lease>;
  /** How many partitions there are now. */
  readonly partitions: (signal: AbortSignal) => Promise<number>;
  /** Makes ready what is owned now, before anybody is told. A rejection ends the member. */
  readonly open: (partition: number, token: number) => Promise<Part>;
  /** Gives back what is held of a partition that was stopped; `unseen` was never handed out. */
  readonly end: (part: Part, unseen: readonly Lease[]) => Promise<void>;
  /** Somebody else has it already. */
  readonly lost: (part: Part, unseen: readonly Lease[]) => void;
  /** The member cannot go on. */
  readonly failed: (error: unknown) => void;
}

interface Owned<Part> {
  readonly token: number;
  /** Once the runtime has been told. */
  part: Part | undefined;
  revoking: boolean;
}

/** The partitions of a subscription with order by key that one of its members owns: by claims, for brokers that have no
 *  owners of their own. */
export class ClaimedPartitions<Part extends ClaimedPart, Lease extends Leased> {
  readonly #options: ClaimedPartitionsOptions<Part, Lease>;
  readonly #claimant: Claimant;
  readonly #owned = new Map<number, Owned<Part>>();
  #stopped = false;

  constructor(options: ClaimedPartitionsOptions<Part, Lease>) {
    const { cells, clock, leaseMs, owner, partitions, failed } = options;
    this.#options = options;
    this.#claimant = new Claimant({
      cells,
      clock,
      leaseMs,
      id: owner,
      partitions,
      events: {
        assigned: (partition, token) => void this.#assigned(partition, token),
        revoking: (partition, _token, _cause, withinMs) => this.#revoking(partition, withinMs),
        revoked: (partition) => this.#revoked(partition),
        ended: failed,
      },
    });
  }

  /** Joins. Resolves when everybody can see it. */
  async open(signal: AbortSignal): Promise<void> {
    await this.#claimant.open(signal);
  }

  /** Those that the runtime has been told of. */
  get parts(): readonly Part[] {
    return [...this.#owned.values()].flatMap(({ part }) => part ?? []);
  }

  get(partition: number): Part | undefined {
    return this.#owned.get(partition)?.part;
  }

  /** What to wait for before documents are handed out: this process may have been taken for dead. */
  fresh(): Promise<void> | undefined {
    return this.#claimant.stale && !this.#options.inbox.over
      ? this.#claimant.untilFresh()
      : undefined;
  }

  /** As QueueMember.release. */
  async release(partition: number): Promise<void> {
    const owned = this.#owned.get(partition);
    if (owned === undefined || this.#options.inbox.over) return;
    this.#owned.delete(partition);
    try {
      if (owned.part !== undefined) await this.#end(partition, owned.part);
    } finally {
      // what could not be given back is not kept from others for that
      await this.#claimant.release(partition, owned.token);
    }
  }

  /** Receives no more of any. When it resolves, all that had come is in the inbox. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.parts.map((part) => part.stop()));
  }

  /** Gives everything back and leaves. However long the first takes, and whether it succeeds: the second follows, or this
   *  would go on living beside whoever sits here next. */
  async leave(): Promise<void> {
    this.#stopped = true;
    const ends = await Promise.allSettled(
      [...this.#owned].map(async ([partition, { part }]) => {
        if (part !== undefined) await this.#end(partition, part);
      }),
    );
    await this.#claimant.close();
    for (const result of ends) if (result.status === 'rejected') throw result.reason;
  }

  async #end(partition: number, part: Part): Promise<void> {
    await part.stop();
    const { inbox, end } = this.#options;
    await end(part, inbox.takeUnseen(partition));
  }

  async #assigned(partition: number, token: number): Promise<void> {
    const { open, inbox, failed } = this.#options;
    const owned: Owned<Part> = { token, part: undefined, revoking: false };
    this.#owned.set(partition, owned);
    try {
      const part = await open(partition, token);
      if (this.#owned.get(partition) !== owned || this.#stopped || inbox.over) return;
      if (owned.revoking) {
        this.#owned.delete(partition);
        await this.#claimant.release(partition, token);
        return;
      }
      inbox.push({ type: 'assigned', partition });
      owned.part = part;
      part.start();
    } catch (error) {
      failed(error);
    }
  }

  #revoking(partition: number, withinMs: number): void {
    const owned = this.#owned.get(partition);
    if (owned === undefined) return;
    owned.revoking = true;
    if (owned.part === undefined) return;
    void owned.part.stop();
    const { inbox } = this.#options;
    inbox.forget(partition);
    inbox.push({ type: 'revoking', partition, withinMs });
  }

  #revoked(partition: number): void {
    const owned = this.#owned.get(partition);
    if (owned === undefined) return;
    this.#owned.delete(partition);
    const { inbox, lost } = this.#options;
    const unseen = inbox.takeUnseen(partition);
    if (owned.part === undefined) return;
    void owned.part.stop();
    inbox.push({ type: 'revoked', partition });
    lost(owned.part, unseen);
  }
}
