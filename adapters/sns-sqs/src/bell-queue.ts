import { setTimeout as pause } from 'node:timers/promises';
import { SubscribeCommand, UnsubscribeCommand } from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteQueueCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
} from '@aws-sdk/client-sqs';
import { farewell, BusError } from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { pauseAfter } from './queue-insist.ts';
import { queueArnOf } from './queue-names.ts';

export interface BellEvents {
  /** The SNS topic of a channel. */
  arnOf(channel: string, signal: AbortSignal): Promise<string>;
  rung(channel: string, messages: readonly string[]): void;
  /** Something may not have been heard, in one channel or in any. */
  missed(channel: string | undefined): void;
}

/** Three signs of life that did not come. */
const abandonedMs = 3 * 3_600_000;
const sayEveryMs = 3_600_000;

export interface BellQueueOptions {
  /** A queue whose process has not said for so long that it lives is removed by others. Default: three hours. */
  readonly abandonedMs?: number;
}

/** What a process says of its queue. */
interface Said {
  readonly v: 1;
  readonly name: string;
  readonly subscriptions: readonly string[];
}

/** What is sent through SNS. */
export interface Bells {
  readonly v: 1;
  readonly channel: string;
  readonly messages: readonly string[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The queue through which one process hears all bells. It is made with the first channel and removed with the process; an
 *  object says so, so that others can remove what a dead process has left. */
export class BellQueue {
  readonly #connection: Connection;
  readonly #name: string;
  readonly #events: BellEvents;
  readonly #abandonedMs: number;
  /** Channels, and their subscription as soon as there is one. */
  readonly #wanted = new Map<string, string | undefined>();
  readonly #closing = new AbortController();
  #work: Promise<void> = Promise.resolve();
  #running = false;
  #url: string | undefined;
  #saidAt = 0;
  /** Channels are subscribed to one after the other. */
  #changes: Promise<void> = Promise.resolve();

  constructor(connection: Connection, name: string, events: BellEvents, options: BellQueueOptions) {
    this.#connection = connection;
    this.#name = name;
    this.#events = events;
    this.#abandonedMs = options.abandonedMs ?? abandonedMs;
  }

  want(channel: string): void {
    this.#wanted.set(channel, undefined);
    if (this.#running) this.#change();
    else this.#work = this.#run();
  }

  unwant(channel: string): void {
    const subscription = this.#wanted.get(channel);
    this.#wanted.delete(channel);
    if (subscription !== undefined)
      this.#later(() => this.#unsubscribe(subscription, this.#closing.signal));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#work;
    await this.#changes;
    if (this.#saidAt === 0) return;
    const late = new AbortController();
    await farewell(() => this.#remove(this.#said, late.signal));
    late.abort();
  }

  get #said(): Said {
    const subscriptions = [...this.#wanted.values()].filter((arn) => arn !== undefined);
    return { v: 1, name: this.#name, subscriptions };
  }

  get #prefix(): string {
    return `${this.#connection.settings.root}bells/`;
  }

  /** Makes the queue, and hears, until it is closed, or nobody wants to hear anything before there is a queue. */
  async #run(): Promise<void> {
    this.#running = true;
    const { signal } = this.#closing;
    const goesOn = (): boolean => this.#url !== undefined || this.#wanted.size > 0;
    for (let failures = 0; !signal.aborted && goesOn(); ) {
      try {
        if (this.#url === undefined) await this.#make();
        if (performance.now() - this.#saidAt > sayEveryMs) await this.#say();
        await this.#hear();
        if (failures > 0) this.#events.missed(undefined);
        failures = 0;
        if ([...this.#wanted.values()].includes(undefined)) this.#change();
      } catch (error) {
        failures += 1;
        if (BusError.is(error, 'DUOBUS_NOT_FOUND')) this.#forget();
        await pause(pauseAfter(failures), undefined, { signal }).catch(() => undefined);
      }
    }
    this.#running = false;
  }

  async #make(): Promise<void> {
    const { signal } = this.#closing;
    const [channel] = this.#wanted.keys();
    if (channel === undefined) return;
    const arn = await this.#events.arnOf(channel, signal);
    await this.#say();
    const { QueueUrl } = await this.#connection.sqs(
      new CreateQueueCommand({
        QueueName: this.#name,
        Attributes: {
          MessageRetentionPeriod: '300',
          Policy: policyOf(queueArnOf(arn, this.#name), arn),
        },
      }),
      signal,
      'make the queue of the bells',
    );
    this.#url = QueueUrl;
    this.#change();
    this.#later(() => this.#sweep());
  }

  async #hear(): Promise<void> {
    const { signal } = this.#closing;
    const { pollMs } = this.#connection.settings;
    const { Messages = [] } = await this.#connection.poll(
      new ReceiveMessageCommand({
        QueueUrl: this.#url,
        MaxNumberOfMessages: 10,
        WaitTimeSeconds: pollMs / 1_000,
      }),
      signal,
      'hear the bells',
    );
    for (const { Body } of Messages) this.#ring(Body ?? '');
    if (Messages.length === 0) return;
    const Entries = Messages.map(({ ReceiptHandle }, at) => ({ Id: `${at}`, ReceiptHandle }));
    // of one that is heard twice nobody minds
    await this.#connection
      .sqs(
        new DeleteMessageBatchCommand({ QueueUrl: this.#url, Entries }),
        signal,
        'hear the bells',
      )
      .catch(() => undefined);
  }

  #ring(body: string): void {
    try {
      const { v, channel, messages } = JSON.parse(body) as Partial<Bells>;
      if (v !== 1 || typeof channel !== 'string' || !Array.isArray(messages)) return;
      this.#events.rung(channel, messages.map(String));
    } catch {
      this.#events.missed(undefined);
    }
  }

  /** Subscribes to what is wanted and is not subscribed to. */
  #change(): void {
    this.#later(async () => {
      if (this.#url === undefined) return;
      for (const [channel, subscription] of this.#wanted) {
        if (subscription !== undefined) continue;
        const arn = await this.#subscribe(channel);
        if (this.#wanted.has(channel)) this.#wanted.set(channel, arn);
        else await this.#unsubscribe(arn, this.#closing.signal);
        await this.#say();
        this.#events.missed(channel);
      }
    });
  }

  async #subscribe(channel: string): Promise<string> {
    const { signal } = this.#closing;
    const TopicArn = await this.#events.arnOf(channel, signal);
    const { SubscriptionArn } = await this.#connection.sns(
      new SubscribeCommand({
        TopicArn,
        Protocol: 'sqs',
        Endpoint: queueArnOf(TopicArn, this.#name),
        ReturnSubscriptionArn: true,
        Attributes: { RawMessageDelivery: 'true' },
      }),
      signal,
      'listen to a bell',
    );
    return SubscriptionArn ?? '';
  }

  async #unsubscribe(SubscriptionArn: string, signal: AbortSignal): Promise<void> {
    await this.#connection.sns(
      new UnsubscribeCommand({ SubscriptionArn }),
      signal,
      'listen to a bell no more',
    );
  }

  /** In turn. Bells are hints: who waits looks by itself, and what could not be done now is tried with the next change. */
  #later(work: () => Promise<void>): void {
    this.#changes = this.#changes.then(work).catch(() => undefined);
  }

  /** Says that the queue is in use, and with what it is subscribed to. */
  async #say(): Promise<void> {
    await this.#connection.store.put(
      this.#prefix + this.#name,
      encoder.encode(JSON.stringify(this.#said)),
      undefined,
      this.#closing.signal,
    );
    this.#saidAt = performance.now();
  }

  #forget(): void {
    this.#url = undefined;
    for (const channel of this.#wanted.keys()) this.#wanted.set(channel, undefined);
  }

  /** Removes what processes have left that died. */
  async #sweep(): Promise<void> {
    const { store } = this.#connection;
    const { signal } = this.#closing;
    const own = this.#prefix + this.#name;
    const [mine] = (await store.list(own, { limit: 1 }, signal)).objects;
    const now = mine?.at ?? 0;
    for (let after: string | undefined; ; ) {
      const options = after === undefined ? {} : { after };
      const { objects, more } = await store.list(this.#prefix, options, signal);
      for (const { key, at } of objects) {
        if (key === own || at > now - this.#abandonedMs) continue;
        const found = await store.get(key, signal);
        const said = found && (JSON.parse(decoder.decode(found.body)) as Said);
        if (said?.v === 1) await this.#remove(said, signal);
      }
      after = objects.at(-1)?.key;
      if (!more || after === undefined) return;
    }
  }

  async #remove({ name, subscriptions }: Said, signal: AbortSignal): Promise<void> {
    for (const arn of subscriptions) await this.#unsubscribe(arn, signal).catch(ifMissing);
    try {
      const { QueueUrl } = await this.#connection.sqs(
        new GetQueueUrlCommand({ QueueName: name }),
        signal,
        'look for the queue of a process that is gone',
      );
      await this.#connection.sqs(
        new DeleteQueueCommand({ QueueUrl }),
        signal,
        'remove the queue of the bells',
      );
    } catch (error) {
      ifMissing(error);
    }
    await this.#connection.store.remove(this.#prefix + name, undefined, signal);
  }
}

/** Lets in what the bells of this prefix, in this account, send. */
function policyOf(queueArn: string, topicArn: string): string {
  const bells = topicArn.replace(/[0-9a-f]+$/, '*');
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'duobus',
        Effect: 'Allow',
        Principal: { Service: 'sns.amazonaws.com' },
        Action: 'sqs:SendMessage',
        Resource: queueArn,
        Condition: { ArnLike: { 'aws:SourceArn': bells } },
      },
    ],
  });
}

function ifMissing(error: unknown): void {
  if (!BusError.is(error, 'DUOBUS_NOT_FOUND')) throw error;
}
