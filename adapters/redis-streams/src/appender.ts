import { randomUUID } from 'node:crypto';
import { BusError, type Outcome, type OutboundRecord, type StoredTopic } from '@duobus/core/driver';
import type { Connection, ScriptArgument } from './connection.ts';
import { appendedChannel, partitionKeys } from './keys.ts';
import { isCertain } from './native-errors.ts';
import { appendScript } from './partition-scripts.ts';
import { encodeRecord } from './record-codec.ts';
import { topicGone } from './topic-registry.ts';

/** Who appends to a partition, as the server knows it: calls are counted, so that it sees gaps and repetitions. */
interface Publisher {
  readonly id: string;
  calls: number;
}

interface Numbered {
  readonly publisher: Publisher;
  readonly call: number;
  readonly args: readonly ScriptArgument[];
}

type Reply = readonly [status: string, ms?: number, first?: number];

/** Appends to partitions. A call that is repeated after its reply was lost is stored once. */
export class Appender {
  readonly #connection: Connection;
  readonly #publishers = new Map<string, Publisher>();
  /** The runtime repeats a call with the same array. */
  readonly #calls = new WeakMap<readonly OutboundRecord[], Numbered>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async append(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
  ): Promise<readonly Outcome[]> {
    const keys = partitionKeys(topic, partition);
    let call = this.#calls.get(records);
    try {
      if (call === undefined) {
        // before it is counted: a call that is not sent must leave no gap
        void this.#connection.publishing;
        call = this.#number(keys.log, records);
        this.#calls.set(records, call);
      }
      const reply = await this.#send(topic, partition, keys, call, records.length);
      return this.#outcomes(topic, keys.log, call, records, reply);
    } catch (error) {
      if (!BusError.is(error)) throw error;
      if (call !== undefined) this.#renew(keys.log, call.publisher);
      const status = isCertain(error) ? 'rejected' : 'unknown';
      return records.map(() => ({ status, error }));
    }
  }

  async #send(
    topic: StoredTopic,
    partition: number,
    keys: ReturnType<typeof partitionKeys>,
    { publisher, call, args }: Numbered,
    count: number,
  ): Promise<Reply> {
    const reply = await this.#connection.runKept(
      'publishing',
      appendScript,
      Object.values(keys) as string[],
      [topic.incarnation, publisher.id, call, appendedChannel(topic), partition, count, ...args],
      `append to partition ${partition} of topic '${topic.name}'`,
      (said) => (said as Reply)[0] === 'stored',
    );
    return reply as Reply;
  }

  #outcomes(
    topic: StoredTopic,
    log: string,
    { publisher }: Numbered,
    records: readonly OutboundRecord[],
    [status, ms = 0, first = 0]: Reply,
  ): readonly Outcome[] {
    if (status === 'stored')
      return records.map((_, at) => ({
        status: 'stored',
        place: { offset: first + at, time: ms },
      }));
    this.#renew(log, publisher);
    if (status === 'gone') {
      const error = topicGone('data', topic.name);
      return records.map(() => ({ status: 'rejected', error }));
    }
    const error = new BusError(
      'DUOBUS_UNAVAILABLE',
      status === 'gap'
        ? `Redis: an earlier publish to topic '${topic.name}' has not arrived, so this one was not stored; it is tried again`
        : `Redis: the server does not know any more whether this publish to topic '${topic.name}' was stored`,
      { retryable: status === 'gap' },
    );
    return records.map(() => ({ status: status === 'gap' ? 'rejected' : 'unknown', error }));
  }

  #number(log: string, records: readonly OutboundRecord[]): Numbered {
    const args = records.flatMap((record) => argumentsOf(record));
    const publisher = this.#publishers.get(log) ?? { id: randomUUID(), calls: 0 };
    this.#publishers.set(log, publisher);
    publisher.calls += 1;
    return { publisher, call: publisher.calls, args };
  }

  /** What comes after a call that has failed must not wait for it: it is counted anew, under another name. */
  #renew(log: string, publisher: Publisher): void {
    if (this.#publishers.get(log) === publisher) this.#publishers.delete(log);
  }
}

function argumentsOf(record: OutboundRecord): readonly (string | Buffer)[] {
  const fields = encodeRecord(record);
  return [`${record.body === null ? 't' : 'r'}${fields.length}`, ...fields];
}
