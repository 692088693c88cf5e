// #region driver
import {
  type Binding,
  binaryBinding,
  type Outcome,
  type QueueCapabilities,
  type QueueDriver,
  type QueueMember,
  type StoredTopic,
  type SubscriptionCounts,
} from '@duobus/core/driver';
import { queueCapabilities } from './capabilities.ts';
import { notWritten } from './not-written.ts';

/** The event bus. What each verb has to do is said at `QueueDriver` in @duobus/core/driver. */
export class MyQueueDriver implements QueueDriver<string> {
  readonly kind = 'queue';
  readonly capabilities: QueueCapabilities = queueCapabilities;
  readonly binding: Binding = binaryBinding({ prefix: 'ce_', contentType: 'content-type' });
  /** The client of the broker. */
  readonly native: string;

  constructor(url: string) {
    this.native = url;
  }

  async open(): Promise<void> {
    // connects; until then the cases fail at the first verb they need
  }

  async close(): Promise<void> {
    // lets go of everything
  }

  async ensureTopic(): Promise<StoredTopic> {
    throw notWritten('QueueDriver.ensureTopic');
  }

  async topics(): Promise<readonly StoredTopic[]> {
    throw notWritten('QueueDriver.topics');
  }

  async alterTopic(): Promise<StoredTopic> {
    throw notWritten('QueueDriver.alterTopic');
  }

  async names(): Promise<readonly string[]> {
    throw notWritten('QueueDriver.names');
  }

  async ensureSubscription(): Promise<'created' | 'existed'> {
    throw notWritten('QueueDriver.ensureSubscription');
  }

  async removeSubscription(): Promise<void> {
    throw notWritten('QueueDriver.removeSubscription');
  }

  async publish(): Promise<readonly Outcome[]> {
    throw notWritten('QueueDriver.publish');
  }

  async inspect(): Promise<SubscriptionCounts> {
    throw notWritten('QueueDriver.inspect');
  }

  async consume(): Promise<QueueMember> {
    throw notWritten('QueueDriver.consume'); // will return a MyQueueMember
  }
}
// #endregion driver
