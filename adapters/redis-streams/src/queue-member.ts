import {
  type Farewell,
  farewell,
  MemberInbox,
  type QueueEvent,
  type QueueMember,
  type Settlement,
} from '@duobus/core/driver';
import { Intake } from './queue-intake.ts';
import type { Lease } from './queue-lease.ts';
import { Life } from './queue-life.ts';
import type { Scope } from './queue-scope.ts';
import { giveBackUnseen, noteState, settleBatch, type Settled } from './queue-settle.ts';

/** A member as it has joined. */
export interface Joined {
  readonly scope: Scope;
  readonly id: string;
  /** When the call that joined began. */
  readonly at: number;
  /** It has ended. Unless that is done, others, or the next of this process, have to take what it held. */
  left(how: Farewell): void;
}

/** A competing consumer of a subscription without order. */
export class UnorderedMember implements QueueMember {
  readonly #joined: Joined;
  readonly #life: Life;
  readonly #inbox: MemberInbox<Lease>;
  readonly #intake: Intake;
  #closing: Promise<void> | undefined;

  constructor(joined: Joined, credit: number) {
    const { scope, id, at } = joined;
    this.#joined = joined;
    this.#life = new Life(scope, id, {
      ring: () => this.#intake.ring(),
      end: (event) => this.#end(event),
    });
    this.#inbox = new MemberInbox(scope.what, { fresh: () => this.#life.fresh() });
    this.#intake = new Intake(scope, { partition: 0, token: '' }, id, credit, {
      records: (partition, records) => this.#inbox.records(partition, records),
      ended: (status) => this.#life.ended(status),
      failed: (error) => this.#life.failed(error),
    });
    this.#life.start(at);
  }

  receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    return this.#inbox.receive(signal);
  }

  async settle(batch: readonly Settlement[]): Promise<readonly Settled[]> {
    this.#refuseClosed();
    if (this.#inbox.over) return batch.map(() => 'lost');
    return settleBatch(this.#joined.scope, this.#joined.id, batch);
  }

  async note(token: unknown, state: string): Promise<'kept' | 'lost'> {
    this.#refuseClosed();
    if (this.#inbox.over) return 'lost';
    return noteState(this.#joined.scope, this.#joined.id, token, state);
  }

  async release(): Promise<void> {
    await Promise.resolve(); // there are no partitions to release
  }

  stop(): Promise<void> {
    return this.#intake.stop();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { scope, id, left } = this.#joined;
    this.#life.stop();
    const how = await farewell(async () => {
      await this.#intake.stop();
      await giveBackUnseen(scope, id, this.#inbox.takeUnseen());
      await this.#life.leave();
    });
    this.#inbox.close();
    left(how);
  }

  #end(event: QueueEvent): void {
    void this.#intake.stop();
    this.#inbox.end(event);
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw this.#inbox.closed();
  }
}
