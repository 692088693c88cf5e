import { createHash, randomUUID } from 'node:crypto';
import { CreateTopicCommand, PublishCommand } from '@aws-sdk/client-sns';
import { farewell, BusError } from '@duobus/core/driver';
import type { Doorbell } from '@duobus/object-log';
import { BellQueue, type BellQueueOptions } from './bell-queue.ts';
import type { Connection } from './connection.ts';

/** Rings of one channel are sent that often at most: what comes in between goes together. */
const gatherMs = 20;
/** More than these wait only while SNS does not answer: one that says everything replaces them. */
const mostWaiting = 1_000;
const perPublish = 100;
/** So long a channel is kept that nobody listens to: whoever waits for a while, and then again, is not subscribed anew. */
const lingerMs = 60_000;

export interface DoorbellOptions extends BellQueueOptions {
  /** How long a channel is kept that nobody listens to. Default: a minute. */
  readonly lingerMs?: number;
}

interface Channel {
  readonly name: string;
  readonly waiting: Set<string>;
  arn: Promise<string> | undefined;
  sending: boolean;
}

/** Rung through SNS, heard through one queue of SQS for everything that a process listens to. */
export class SnsDoorbell implements Doorbell {
  readonly #connection: Connection;
  readonly #options: DoorbellOptions;
  readonly #channels = new Map<string, Channel>();
  readonly #listeners = new Map<string, Set<(message: string) => void>>();
  /** Channels that nobody listens to any more. */
  readonly #leaving = new Map<string, NodeJS.Timeout>();
  readonly #closing = new AbortController();
  /** Sends that are under way. */
  readonly #sending = new Set<Promise<void>>();
  #queue: BellQueue | undefined;

  constructor(connection: Connection, options: DoorbellOptions = {}) {
    this.#connection = connection;
    this.#options = options;
  }

  ring(channel: string, message: string): void {
    if (this.#closing.signal.aborted) return;
    this.#tell(channel, message);
    const known = this.#channel(channel);
    if (known.waiting.size >= mostWaiting) {
      known.waiting.clear();
      known.waiting.add('');
    } else known.waiting.add(message);
    if (!known.sending) this.#track(this.#send(known));
  }

  listen(channel: string, onRing: (message: string) => void): () => void {
    const known = this.#listeners.get(channel);
    const listeners = known ?? new Set();
    // one of its own, so that the same function may listen twice
    const listener = (message: string): void => onRing(message);
    listeners.add(listener);
    this.#listeners.set(channel, listeners);
    if (known === undefined) this.#bellQueue().want(channel);
    else queueMicrotask(() => listeners.has(listener) && onRing(''));
    this.#stay(channel);
    return () => {
      if (listeners.delete(listener) && listeners.size === 0) this.#leaveLater(channel);
    };
  }

  /** Sends what waits, and removes what this process listened with. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    // a bell that cannot be rung must not hold up a close
    await farewell(async () => void (await Promise.all(this.#sending)));
    this.#closing.abort();
    this.#listeners.clear();
    for (const channel of this.#leaving.keys()) this.#stay(channel);
    await this.#queue?.close();
  }

  #stay(channel: string): void {
    clearTimeout(this.#leaving.get(channel));
    this.#leaving.delete(channel);
  }

  #leaveLater(channel: string): void {
    if (this.#closing.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#leaving.delete(channel);
      this.#listeners.delete(channel);
      this.#queue?.unwant(channel);
    }, this.#options.lingerMs ?? lingerMs);
    timer.unref();
    this.#leaving.set(channel, timer);
  }

  #bellQueue(): BellQueue {
    this.#queue ??= new BellQueue(
      this.#connection,
      `${this.#connection.settings.prefix}-bell-${randomUUID()}`,
      {
        arnOf: (channel, signal) => this.#arn(this.#channel(channel), signal),
        rung: (channel, messages) => {
          for (const message of messages) this.#tell(channel, message);
        },
        missed: (channel) => {
          for (const name of channel === undefined ? [...this.#listeners.keys()] : [channel])
            this.#tell(name, '');
        },
      },
      this.#options,
    );
    return this.#queue;
  }

  #tell(channel: string, message: string): void {
    for (const listener of this.#listeners.get(channel) ?? []) listener(message);
  }

  #channel(name: string): Channel {
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    const made: Channel = { name, waiting: new Set(), arn: undefined, sending: false };
    this.#channels.set(name, made);
    return made;
  }

  #track(sending: Promise<void>): void {
    this.#sending.add(sending);
    void sending.finally(() => this.#sending.delete(sending));
  }

  /** Rings are hints: what cannot be sent is left out, and those who wait look by themselves. */
  async #send(channel: Channel): Promise<void> {
    channel.sending = true;
    const { signal } = this.#closing;
    try {
      for (; channel.waiting.size > 0; await gather()) {
        const messages = [...channel.waiting].slice(0, perPublish);
        for (const message of messages) channel.waiting.delete(message);
        await this.#connection.sns(
          new PublishCommand({
            TopicArn: await this.#arn(channel, signal),
            Message: JSON.stringify({ v: 1, channel: channel.name, messages }),
          }),
          signal,
          'ring a bell',
        );
      }
    } catch (error) {
      channel.waiting.clear();
      if (BusError.is(error, 'DUOBUS_NOT_FOUND')) channel.arn = undefined;
    } finally {
      channel.sending = false;
    }
  }

  /** The SNS topic of a channel, which is made by whoever needs it first. */
  #arn(channel: Channel, signal: AbortSignal): Promise<string> {
    channel.arn ??= this.#makeTopic(channel.name, signal).catch((error: unknown) => {
      channel.arn = undefined;
      throw error;
    });
    return channel.arn;
  }

  async #makeTopic(channel: string, signal: AbortSignal): Promise<string> {
    const { prefix, bucket, root } = this.#connection.settings;
    const hash = createHash('sha256').update(`${bucket}/${root}${channel}`).digest('hex');
    const { TopicArn } = await this.#connection.sns(
      new CreateTopicCommand({ Name: `${prefix}-bell-${hash.slice(0, 32)}` }),
      signal,
      'make the SNS topic of a bell',
    );
    if (TopicArn === undefined)
      throw new BusError('DUOBUS_BUG', 'SNS has not said what the ARN of a topic is');
    return TopicArn;
  }
}

function gather(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, gatherMs));
}
