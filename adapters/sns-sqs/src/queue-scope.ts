import { BusError, type StoredTopic } from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { subscriptionPrefix } from './queue-names.ts';
import type { Provided } from './queue-registry.ts';

/** One subscription, as members know it. */
export class Scope {
  readonly connection: Connection;
  readonly topic: StoredTopic;
  readonly name: string;
  /** Tells it from others of its name, before and after. */
  readonly uid: string;
  /** By partition; where order is 'none' there is one. */
  readonly queues: readonly Provided[];
  /** The partition this is about. */
  readonly partition: number;
  readonly queueUrl: string;
  /** What the keys of its dead letters begin with. */
  readonly deadPrefix: string;
  readonly #notesPrefix: string;

  constructor(
    connection: Connection,
    topic: StoredTopic,
    name: string,
    uid: string,
    queues: readonly Provided[],
    partition = 0,
  ) {
    const prefix = subscriptionPrefix(connection.settings.root, topic, uid);
    this.connection = connection;
    this.topic = topic;
    this.name = name;
    this.uid = uid;
    this.queues = queues;
    this.partition = partition;
    const queue = queues[partition] ?? queues[0];
    this.queueUrl = queue?.queueUrl ?? '';
    this.deadPrefix = `${prefix}dead/`;
    this.#notesPrefix = `${prefix}notes/`;
  }

  get what(): string {
    return `'${this.name}' of topic '${this.topic.name}'`;
  }

  get ordered(): boolean {
    return this.topic.order === 'key';
  }

  /** The same subscription, about another partition. */
  of(partition: number): Scope {
    const { connection, topic, name, uid, queues } = this;
    return new Scope(connection, topic, name, uid, queues, partition);
  }

  noteKey(messageId: string): string {
    return this.#notesPrefix + messageId;
  }
}

export function subscriptionGone(topic: string, name: string): BusError {
  return new BusError(
    'DUOBUS_NOT_FOUND',
    `SNS/SQS: topic '${topic}' has no subscription '${name}'; subscribe to make it`,
    { context: { topic, name } },
  );
}
