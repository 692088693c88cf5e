import {
  farewell,
  MemberInbox,
  type QueueEvent,
  type QueueMember,
  type Settlement,
} from '@duobus/core/driver';
import { isHeld, type Lease } from './queue-lease.ts';
import { lost } from './queue-member-end.ts';
import { Part, type PartOptions } from './queue-part.ts';
import type { Scope } from './queue-scope.ts';
import type { Settled } from './queue-settle.ts';

/** A competing consumer of a subscription without order: it has one queue. */
export class Member implements QueueMember {
  readonly #ended: AbortSignal;
  readonly #inbox: MemberInbox<Lease>;
  readonly #part: Part;
  readonly #onEnded: () => void;
  #closing: Promise<void> | undefined;

  constructor(scope: Scope, options: PartOptions) {
    const { ended } = scope.connection;
    const failed = (error: unknown): void => this.#end(lost(scope.what, error));
    this.#ended = ended;
    this.#inbox = new MemberInbox(scope.what, { isHeld });
    this.#part = new Part(scope, options, {
      records: (partition, records) => this.#inbox.records(partition, records),
      expired: () => undefined, // others go on with those
      failed,
    });
    this.#onEnded = () => failed(ended.reason);
    ended.addEventListener('abort', this.#onEnded, { once: true });
    if (ended.aborted) this.#onEnded();
    else this.#part.start();
  }

  receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    return this.#inbox.receive(signal);
  }

  async settle(batch: readonly Settlement[]): Promise<readonly Settled[]> {
    this.#refuseClosed();
    if (this.#inbox.over) return batch.map(() => 'lost');
    return this.#part.settle(batch);
  }

  async note(token: unknown, state: string): Promise<'kept' | 'lost'> {
    this.#refuseClosed();
    if (this.#inbox.over) return 'lost';
    return this.#part.note(token, state);
  }

  async release(): Promise<void> {
    await Promise.resolve(); // there are no partitions to release
  }

  stop(): Promise<void> {
    return this.#part.stop();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ended.removeEventListener('abort', this.#onEnded);
    await farewell(() => this.#part.end(this.#inbox.takeUnseen()));
    this.#inbox.close();
  }

  #end(event: QueueEvent): void {
    void this.#part.stop();
    this.#inbox.end(event);
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw this.#inbox.closed();
  }
}
