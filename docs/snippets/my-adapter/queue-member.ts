// #region member
import { Inbox, type QueueEvent, type QueueMember, type Settlement } from '@duobus/core/driver';
import { notWritten } from './not-written.ts';

/** One competing consumer. What happens to it goes into its inbox, in order. */
export class MyQueueMember implements QueueMember {
  readonly #inbox = new Inbox<QueueEvent>();

  receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    return this.#inbox.receive(signal); // this.#inbox.push({ type: 'records', ... }) elsewhere
  }

  async settle(batch: readonly Settlement[]): Promise<readonly ('settled' | 'lost')[]> {
    throw notWritten(`QueueMember.settle with '${batch[0]?.verdict}'`);
  }

  async note(): Promise<'kept' | 'moved' | 'lost'> {
    throw notWritten('QueueMember.note');
  }

  async release(): Promise<void> {
    throw notWritten('QueueMember.release');
  }

  async stop(): Promise<void> {
    throw notWritten('QueueMember.stop');
  }

  async close(): Promise<void> {
    throw notWritten('QueueMember.close');
  }
}
// #endregion member
