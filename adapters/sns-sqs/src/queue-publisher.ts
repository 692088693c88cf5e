import { randomUUID } from 'node:crypto';
import {
  type BatchResultErrorEntry,
  PublishBatchCommand,
  type PublishBatchCommandOutput,
} from '@aws-sdk/client-sns';
import {
  BusError,
  Deque,
  type Outcome,
  type OutboundRecord,
  type StoredTopic,
} from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { maxMessageBytes } from './queue-capabilities.ts';
import { insist } from './queue-insist.ts';
import { groupOf } from './queue-names.ts';
import { batchSize } from './queue-batches.ts';
import { encodeRecord, type EncodedRecord } from './record-codec.ts';

/** Requests of one topic at the same time. */
const mostRequests = 8;

const stored: Outcome = Object.freeze({ status: 'stored' });

interface Entry {
  readonly encoded: EncodedRecord;
  /** Not given again: what is refused is published under another one. */
  readonly id: string;
  readonly lane: Lane;
  sent: boolean;
  settle(outcome: Outcome): void;
}

/** What is published strictly one after the other: the documents of one key, or one document. */
interface Lane {
  readonly group: string | undefined;
  readonly entries: Deque<Entry>;
}

/** Publishes the documents of one SNS topic in batches, of each key one document at a time. */
class TopicPublisher {
  readonly #connection: Connection;
  readonly #topic: StoredTopic;
  readonly #arn: string;
  /** By message group; those without order are of nobody else's concern. */
  readonly #lanes = new Map<string, Lane>();
  /** Lanes with something to send of which nothing is under way. */
  readonly #ready = new Deque<Lane>();
  #requests = 0;
  #pumping = false;

  constructor(connection: Connection, topic: StoredTopic, arn: string) {
    this.#connection = connection;
    this.#topic = topic;
    this.#arn = arn;
  }

  publish(records: readonly OutboundRecord[], signal: AbortSignal): Promise<readonly Outcome[]> {
    return new Promise((resolve) => {
      const outcomes: Outcome[] = [];
      const entries = new Set<Entry>();
      let open = records.length;
      const giveUp = (): void => {
        for (const entry of entries) this.#giveUp(entry);
      };
      const settle = (at: number, outcome: Outcome): void => {
        if (outcomes[at] !== undefined) return;
        outcomes[at] = outcome;
        open -= 1;
        if (open > 0) return;
        signal.removeEventListener('abort', giveUp);
        resolve(outcomes);
      };
      records.forEach((record, at) => {
        const encoded = encodeRecord(record);
        if (encoded.bytes > maxMessageBytes) {
          settle(at, { status: 'rejected', error: this.#tooLarge(encoded.bytes) });
          return;
        }
        const lane = this.#lane(record.key);
        const entry: Entry = {
          encoded,
          id: randomUUID(),
          lane,
          sent: false,
          settle: (outcome) => {
            entries.delete(entry);
            settle(at, outcome);
          },
        };
        entries.add(entry);
        lane.entries.push(entry);
      });
      if (open === 0) return resolve(outcomes);
      signal.addEventListener('abort', giveUp, { once: true });
      if (signal.aborted) giveUp();
      this.#pumpSoon();
    });
  }

  #lane(key: string | undefined): Lane {
    const ordered = this.#topic.order === 'key';
    const group = ordered ? groupOf(key ?? '') : undefined;
    const known = group === undefined ? undefined : this.#lanes.get(group);
    if (known !== undefined) return known;
    const lane: Lane = { group, entries: new Deque() };
    if (group !== undefined) this.#lanes.set(group, lane);
    this.#ready.push(lane);
    return lane;
  }

  /** Whoever publishes to several partitions at once has done so then. */
  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#requests < mostRequests) {
      const batch = this.#take();
      if (batch.length === 0) return;
      this.#requests += 1;
      void this.#send(batch);
    }
  }

  #take(): Entry[] {
    const batch: Entry[] = [];
    let bytes = 0;
    while (batch.length < batchSize) {
      const lane = this.#ready.peek();
      if (lane === undefined) break;
      const entry = lane.entries.peek();
      if (entry === undefined) {
        this.#ready.shift();
        this.#forget(lane);
        continue;
      }
      bytes += entry.encoded.bytes;
      if (bytes > maxMessageBytes) break;
      this.#ready.shift();
      lane.entries.shift();
      entry.sent = true;
      batch.push(entry);
    }
    return batch;
  }

  async #send(batch: readonly Entry[]): Promise<void> {
    const outcomes = await this.#request(batch);
    this.#requests -= 1;
    batch.forEach((entry, at) => {
      const outcome = outcomes[at] as Outcome;
      const { lane } = entry;
      // later ones of its key have not been sent yet
      const behind = outcome.status === 'stored' ? [] : lane.entries.take(() => true);
      entry.settle(outcome);
      if (outcome.status !== 'stored')
        for (const later of behind)
          later.settle({ status: 'rejected', error: this.#behind(outcome.error) });
      if (lane.entries.size > 0) this.#ready.push(lane);
      else this.#forget(lane);
    });
    this.#pump();
  }

  async #request(batch: readonly Entry[]): Promise<readonly Outcome[]> {
    const command = new PublishBatchCommand({
      TopicArn: this.#arn,
      PublishBatchRequestEntries: batch.map(({ encoded, id, lane }, at) => ({
        Id: String(at),
        Message: encoded.text,
        MessageAttributes: { ...encoded.attributes },
        ...(lane.group === undefined
          ? {}
          : { MessageGroupId: lane.group, MessageDeduplicationId: id }),
      })),
    });
    const tried = `publish to topic '${this.#topic.name}'`;
    try {
      const answer = await this.#say(command, tried);
      const successful = new Set((answer.Successful ?? []).map(({ Id }) => Id));
      const failed = new Map((answer.Failed ?? []).map((entry) => [entry.Id, entry]));
      return batch.map((_, at) =>
        successful.has(String(at)) ? stored : outcomeOf(failed.get(String(at)), tried),
      );
    } catch (error) {
      const known = BusError.is(error)
        ? error
        : new BusError('DUOBUS_BUG', `SNS: cannot ${tried}`, { cause: error });
      const status = known.outcome === 'rejected' ? 'rejected' : 'unknown';
      return batch.map(() => ({ status, error: known }));
    }
  }

  /** Where order is by key SNS recognises a repetition by its id, so that a lost reply can be asked for again. */
  #say(command: PublishBatchCommand, tried: string): Promise<PublishBatchCommandOutput> {
    const { ended } = this.#connection;
    const say = () => this.#connection.sns(command, ended, tried);
    return this.#topic.order === 'key' ? insist(say, ended) : say();
  }

  /** Its caller does not wait any longer. */
  #giveUp(entry: Entry): void {
    const { sent, lane } = entry;
    if (!sent) lane.entries.take((each) => each === entry);
    entry.settle({
      status: sent ? 'unknown' : 'rejected',
      error: new BusError(
        'DUOBUS_UNAVAILABLE',
        `publish to topic '${this.#topic.name}' was given up before SNS had ${sent ? 'answered' : 'been asked'}`,
        { retryable: true },
      ),
    });
  }

  #forget({ group, entries }: Lane): void {
    if (group !== undefined && entries.size === 0) this.#lanes.delete(group);
  }

  #behind(cause: BusError): BusError {
    return new BusError(
      cause.retryable ? 'DUOBUS_UNAVAILABLE' : 'DUOBUS_REJECTED',
      `SNS: an earlier document of the same key could not be published to topic '${this.#topic.name}', so this one was not sent`,
      { cause, retryable: true, outcome: 'rejected' },
    );
  }

  #tooLarge(bytes: number): BusError {
    return new BusError(
      'DUOBUS_TOO_LARGE',
      `SNS: a document for topic '${this.#topic.name}' would be ${bytes} bytes on its way, and SNS takes ${maxMessageBytes}: publish less, or a reference to it`,
      { outcome: 'rejected', context: { topic: this.#topic.name, bytes } },
    );
  }
}

/** The publishers of all SNS topics of a driver. */
export class QueuePublisher {
  readonly #connection: Connection;
  readonly #topics = new Map<string, TopicPublisher>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  publish(
    topic: StoredTopic,
    arn: string,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    let publisher = this.#topics.get(arn);
    if (publisher === undefined) {
      publisher = new TopicPublisher(this.#connection, topic, arn);
      this.#topics.set(arn, publisher);
    }
    return publisher.publish(records, signal);
  }
}

function outcomeOf(failure: BatchResultErrorEntry | undefined, tried: string): Outcome {
  const { Code = 'no answer', Message, SenderFault } = failure ?? {};
  const throttled = /throttl/i.test(Code);
  const rejected = throttled || SenderFault === true;
  const said = `${Code}${Message === undefined ? '' : ` (${Message})`}`;
  return {
    status: rejected ? 'rejected' : 'unknown',
    error: new BusError(
      rejected && !throttled ? 'DUOBUS_REJECTED' : 'DUOBUS_UNAVAILABLE',
      `SNS: cannot ${tried}: ${said}`,
      { retryable: !rejected || throttled, outcome: rejected ? 'rejected' : 'unknown' },
    ),
  };
}
