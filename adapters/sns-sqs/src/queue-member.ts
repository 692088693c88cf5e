import type { QueueEvent, QueueMember, Settlement } from '@duobus/core/driver';
import { farewell } from './queue-farewell.ts';
import { MemberInbox } from './queue-inbox.ts';
import { lostConsumer } from './queue-member-end.ts';
import { Part, type PartOptions } from './queue-part.ts';
import type { Scope } from './queue-scope.ts';
import type { Settled } from './queue-settle.ts';

/** A competing consumer of a subscription without order: it has one queue. */
export class Member implements QueueMember {
  readonly #ended: AbortSignal;
  readonly #inbox: MemberInbox;
  readonly #part: Part;
  readonly #lost: () => void;
  #closing: Promise<void> | undefined;

  constructor(scope: Scope, options: PartOptions) {
    const { ended } = scope.connection;
    const failed = (error: unknown): void => this.#end(lostConsumer(scope.what, error));
    this.#ended = ended;
    this.#inbox = new MemberInbox(scope.what);
    this.#part = new Part(scope, options, {
      records: (partition, records) => this.#inbox.records(partition, records),
      expired: () => undefined, // others go on with those
      failed,
    });
    this.#lost = () => failed(ended.reason);
    ended.addEventListener('abort', this.#lost, { once: true });
    if (ended.aborted) this.#lost();
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

  async stop(): Promise<void> {
    this.#part.stop();
    await Promise.resolve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ended.removeEventListener('abort', this.#lost);
    await farewell(() => this.#part.end(this.#inbox.takeUnseen()));
    this.#inbox.close();
  }

  #end(event: QueueEvent): void {
    this.#part.stop();
    this.#inbox.end(event);
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw this.#inbox.closed();
  }
}
