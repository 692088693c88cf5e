// #region member
import { Inbox, type LogEvent, type LogMember } from '@duobus/core/driver';
import { notWritten } from './not-written.ts';

/** One consumer of a group. What happens to it goes into its inbox, in order. */
export class MyLogMember implements LogMember {
  readonly #inbox = new Inbox<LogEvent>();

  receive(signal: AbortSignal): Promise<readonly LogEvent[]> {
    return this.#inbox.receive(signal); // this.#inbox.push({ type: 'assigned', ... }) elsewhere
  }

  start(): void {
    throw notWritten('LogMember.start');
  }

  flow(): void {
    throw notWritten('LogMember.flow');
  }

  async commit(): Promise<readonly ('ok' | 'fenced')[]> {
    throw notWritten('LogMember.commit');
  }

  async release(): Promise<void> {
    throw notWritten('LogMember.release');
  }

  async close(): Promise<void> {
    throw notWritten('LogMember.close');
  }
}
// #endregion member
