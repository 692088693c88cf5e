import { randomBytes } from 'node:crypto';
import { SubscribeCommand, UnsubscribeCommand } from '@aws-sdk/client-sns';
import { CreateQueueCommand, DeleteQueueCommand, GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import { inParallel, BusError, type StoredTopic, type TopologyMode } from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { width } from './queue-batches.ts';
import { keepsForMs } from './queue-capabilities.ts';
import { queueArnOf, queueName, subscriptionPrefix, topicArnOf } from './queue-names.ts';
import { untilKnown } from './queue-insist.ts';
import { probe } from './queue-probe.ts';
import type { Provided, Registered, Registration, SubscriptionRegistry } from './queue-registry.ts';
import { Scope, subscriptionGone } from './queue-scope.ts';
import { toName } from './record-codec.ts';

/** What is asked of the topic, as its record is now. */
export interface TopicFacts {
  /** The ARN of the SNS topic of the first partition. */
  arn(topic: StoredTopic, signal: AbortSignal): Promise<string>;
  /** How many queues a subscription has to have. */
  partitions(topic: StoredTopic, signal: AbortSignal): Promise<number>;
}

/**
 * Makes and removes subscriptions. Each step can be done twice, and the record says how far it has come: whoever finds
 * something half done finishes it.
 */
export class Subscriptions {
  readonly #connection: Connection;
  readonly #registry: SubscriptionRegistry;
  readonly #facts: TopicFacts;

  constructor(connection: Connection, registry: SubscriptionRegistry, facts: TopicFacts) {
    this.#connection = connection;
    this.#registry = registry;
    this.#facts = facts;
  }

  async ensure(
    topic: StoredTopic,
    name: string,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<'created' | 'existed'> {
    for (let created = false; ; ) {
      signal.throwIfAborted();
      const found = await this.#registry.get(topic, name, signal);
      if (found?.state === 'ready') {
        // after its record was read: whoever adds partitions later finds this subscription
        const partitions = await this.#facts.partitions(topic, signal);
        if (queuesOf(found).length >= partitions) return created ? 'created' : 'existed';
        if (mode === 'check')
          throw incomplete(topic.name, name, queuesOf(found).length, partitions);
        await this.#fill(topic, name, found, partitions, signal);
        continue;
      }
      if (mode === 'check') throw subscriptionGone(topic.name, name);
      if (found === undefined) {
        const uid = randomBytes(12).toString('hex');
        await this.#registry.put(topic, name, { uid, state: 'making' }, undefined, signal);
      } else if (found.state === 'removing') await this.#finishRemoval(topic, name, found, signal);
      else {
        const partitions = await this.#facts.partitions(topic, signal);
        created = await this.#fill(topic, name, found, partitions, signal);
      }
    }
  }

  /** Makes sure that every subscription has a queue for that partition, and if one had not, for all that the topic has now.
   *  Resolves to for how many all have queues. */
  async extend(topic: StoredTopic, partition: number, signal: AbortSignal): Promise<number> {
    const names = await this.#registry.names(topic, signal);
    const records = await inParallel(names, width, (name) =>
      this.#registry.get(topic, name, signal),
    );
    const ready = records.flatMap((found) => (found?.state === 'ready' ? [found] : []));
    const partitions = await this.#facts.partitions(topic, signal);
    // one that cannot be given more must not keep the others from what all have
    const covered = Math.min(partitions, ...ready.map((found) => queuesOf(found).length));
    if (covered > partition) return covered;
    await inParallel(names, width, async (name) => {
      for (;;) {
        const found = await this.#registry.get(topic, name, signal);
        if (found?.state !== 'ready' || queuesOf(found).length >= partitions) return;
        await this.#fill(topic, name, found, partitions, signal);
      }
    });
    return partitions;
  }

  async remove(topic: StoredTopic, name: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const found = await this.#registry.get(topic, name, signal);
      if (found === undefined) return;
      if (found.state === 'removing') return this.#finishRemoval(topic, name, found, signal);
      const { uid, queues } = found;
      const next: Registration = {
        uid,
        state: 'removing',
        ...(queues === undefined ? {} : { queues }),
      };
      await this.#registry.put(topic, name, next, found.etag, signal);
    }
  }

  /** @throws BusError DUOBUS_NOT_FOUND */
  async scope(topic: StoredTopic, name: string, signal: AbortSignal): Promise<Scope> {
    const found = await this.#registry.get(topic, name, signal);
    if (found?.state !== 'ready') throw subscriptionGone(topic.name, name);
    return new Scope(this.#connection, topic, name, found.uid, queuesOf(found));
  }

  /** Makes the queues that are missing. False: somebody else has done something with it meanwhile. */
  async #fill(
    topic: StoredTopic,
    name: string,
    found: Registered,
    partitions: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { uid, etag } = found;
    const known = queuesOf(found);
    const first = await this.#facts.arn(topic, signal);
    const isMaking = async (during: AbortSignal): Promise<boolean> =>
      (await this.#registry.get(topic, name, during))?.etag === etag;
    const missing = Array.from({ length: partitions - known.length }, (_, at) => known.length + at);
    const made = await inParallel(missing, width, async (partition) => {
      const provide = () => this.#provide(topic, name, uid, partition, signal);
      const provided = await untilKnown(provide, signal);
      const queues = Array.from({ length: partition + 1 }, () => provided);
      const scope = new Scope(this.#connection, topic, name, uid, queues, partition);
      const probing = { scope, topicArn: topicArnOf(first, topic, partition), isMaking };
      await untilKnown(() => probe(probing, signal), signal);
      return provided;
    });
    const ready: Registration = { uid, state: 'ready', queues: [...known, ...made] };
    if ((await this.#registry.put(topic, name, ready, etag, signal)) === 'stored') return true;
    const now = await this.#registry.get(topic, name, signal);
    // who has removed it did not know of these
    if (now?.uid !== uid)
      await this.#discard(made, `subscription '${name}' of '${topic.name}'`, signal);
    return false;
  }

  async #discard(queues: readonly Provided[], what: string, signal: AbortSignal): Promise<void> {
    await inParallel(queues, width, async (each) => {
      const { subscriptionArn: SubscriptionArn, queueUrl: QueueUrl } = each;
      await this.#connection
        .sns(new UnsubscribeCommand({ SubscriptionArn }), signal, `remove ${what}`)
        .catch(ifMissing);
      await this.#connection
        .sqs(new DeleteQueueCommand({ QueueUrl }), signal, `remove ${what}`)
        .catch(ifMissing);
    });
  }

  async #finishRemoval(
    topic: StoredTopic,
    name: string,
    found: Registered,
    signal: AbortSignal,
  ): Promise<void> {
    const { uid } = found;
    const what = `subscription '${name}' of topic '${topic.name}'`;
    const known = queuesOf(found);
    // what making or adding had come to is not known
    const partitions = await this.#facts.partitions(topic, signal);
    const unknown = Array.from(
      { length: Math.max(0, partitions - known.length) },
      (_, at) => known.length + at,
    );
    const more = await inParallel(unknown, width, (partition) =>
      this.#provideIfTopic(topic, name, uid, partition, signal),
    );
    await this.#discard([...known, ...more.flatMap((each) => each ?? [])], what, signal);
    await this.#removeObjects(
      subscriptionPrefix(this.#connection.settings.root, topic, uid),
      signal,
    );
    await this.#registry.remove(topic, name, found, signal);
  }

  async #removeObjects(prefix: string, signal: AbortSignal): Promise<void> {
    const { store } = this.#connection;
    for (;;) {
      const { objects, more } = await store.list(prefix, {}, signal);
      await inParallel(objects, width, ({ key }) => store.remove(key, undefined, signal));
      if (!more) return;
    }
  }

  async #provideIfTopic(
    topic: StoredTopic,
    name: string,
    uid: string,
    partition: number,
    signal: AbortSignal,
  ): Promise<Provided | undefined> {
    try {
      return await this.#provide(topic, name, uid, partition, signal);
    } catch (error) {
      ifMissing(error);
      return undefined;
    }
  }

  /** The queue, and what brings the documents of the topic into it. */
  async #provide(
    topic: StoredTopic,
    name: string,
    uid: string,
    partition: number,
    signal: AbortSignal,
  ): Promise<Provided> {
    const topicArn = topicArnOf(await this.#facts.arn(topic, signal), topic, partition);
    const QueueName = queueName(this.#connection.settings.prefix, topic, name, uid, partition);
    const queueArn = queueArnOf(topicArn, QueueName);
    const what = `subscription '${name}' of topic '${topic.name}'`;
    const Attributes = queueAttributes(topic, topicArn, queueArn);
    const queueUrl = await this.#queue({ QueueName, Attributes }, what, signal);
    const { SubscriptionArn } = await this.#connection.sns(
      new SubscribeCommand({
        TopicArn: topicArn,
        Protocol: 'sqs',
        Endpoint: queueArn,
        ReturnSubscriptionArn: true,
        Attributes: {
          RawMessageDelivery: 'true',
          FilterPolicy: JSON.stringify({ [toName]: [{ exists: false }, uid] }),
        },
      }),
      signal,
      `create ${what}`,
    );
    if (queueUrl === undefined || SubscriptionArn === undefined)
      throw new BusError('DUOBUS_BUG', `SNS/SQS has not said what it has made for ${what}`);
    return { queueUrl, subscriptionArn: SubscriptionArn };
  }

  async #queue(
    wanted: { readonly QueueName: string; readonly Attributes: Record<string, string> },
    what: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const tried = `create the queue of ${what}`;
    try {
      const made = await this.#connection.sqs(new CreateQueueCommand(wanted), signal, tried);
      return made.QueueUrl;
    } catch (error) {
      // the name is nobody else's: it was made before, and SQS writes some attribute in another way
      if (!BusError.is(error, 'DUOBUS_CONFLICT')) throw error;
      const { QueueName } = wanted;
      const found = await this.#connection.sqs(
        new GetQueueUrlCommand({ QueueName }),
        signal,
        tried,
      );
      return found.QueueUrl;
    }
  }
}

/** Whoever adds partitions gives them queues; it is doing so now, or has died over it. */
function incomplete(topic: string, name: string, has: number, partitions: number): BusError {
  return new BusError(
    'DUOBUS_NOT_FOUND',
    `SNS/SQS: subscription '${name}' of topic '${topic}' has queues for ${has} of ${partitions} partitions: try again, or run once with topology 'create'`,
    { retryable: true, context: { topic, name } },
  );
}

function queuesOf({ queues }: Registration): readonly Provided[] {
  return queues ?? [];
}

/** The same for everybody who makes it, whatever the settings: of a queue that exists SQS wants to hear the same again. */
export function queueAttributes(
  { order }: Pick<StoredTopic, 'order'>,
  topicArn: string,
  queueArn: string,
): Record<string, string> {
  return {
    MessageRetentionPeriod: String(keepsForMs / 1_000),
    MaximumMessageSize: '1048576',
    // every request says how long
    VisibilityTimeout: '30',
    ReceiveMessageWaitTimeSeconds: '20',
    Policy: JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Sid: 'duobus',
          Effect: 'Allow',
          Principal: { Service: 'sns.amazonaws.com' },
          Action: 'sqs:SendMessage',
          Resource: queueArn,
          Condition: { ArnEquals: { 'aws:SourceArn': topicArn } },
        },
      ],
    }),
    ...(order === 'key'
      ? {
          FifoQueue: 'true',
          ContentBasedDeduplication: 'false',
          DeduplicationScope: 'messageGroup',
          FifoThroughputLimit: 'perMessageGroupId',
        }
      : {}),
  };
}

/** Rethrows what is no reason to go on. */
function ifMissing(error: unknown): void {
  if (!BusError.is(error, 'DUOBUS_NOT_FOUND')) throw error;
}
