// #region driver
import {
  type Binding,
  binaryBinding,
  type Bounds,
  type EditResult,
  type LogCapabilities,
  type LogDriver,
  type LogMember,
  type Outcome,
  type Place,
  type ReadResult,
  type StoredPointer,
  type StoredTopic,
} from '@duobus/core/driver';
import { logCapabilities } from './capabilities.ts';
import { notWritten } from './not-written.ts';

/** The data bus. What each verb has to do is said at `LogDriver` in @duobus/core/driver. */
export class MyLogDriver implements LogDriver<string> {
  readonly kind = 'log';
  readonly capabilities: LogCapabilities = logCapabilities;
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
    throw notWritten('LogDriver.ensureTopic');
  }

  async topics(): Promise<readonly StoredTopic[]> {
    throw notWritten('LogDriver.topics');
  }

  async alterTopic(): Promise<StoredTopic> {
    throw notWritten('LogDriver.alterTopic');
  }

  async names(): Promise<readonly string[]> {
    throw notWritten('LogDriver.names');
  }

  async append(): Promise<readonly Outcome[]> {
    throw notWritten('LogDriver.append');
  }

  async read(): Promise<ReadResult> {
    throw notWritten('LogDriver.read');
  }

  async bounds(): Promise<readonly Bounds[]> {
    throw notWritten('LogDriver.bounds');
  }

  async placesAt(): Promise<readonly Place[]> {
    throw notWritten('LogDriver.placesAt');
  }

  async join(): Promise<LogMember> {
    throw notWritten('LogDriver.join'); // will return a MyLogMember, or what `groupsOver` makes
  }

  async pointers(): Promise<readonly (StoredPointer | undefined)[]> {
    throw notWritten('LogDriver.pointers');
  }

  async edit(): Promise<EditResult> {
    throw notWritten('LogDriver.edit');
  }

  async removeGroup(): Promise<void> {
    throw notWritten('LogDriver.removeGroup');
  }
}
// #endregion driver
