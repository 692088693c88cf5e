import { randomUUID } from 'node:crypto';
import {
  abortable,
  BusError,
  Registry,
  type RegistryOp,
  type TopologyMode,
} from '@duobus/core/driver';
import type { AmqpMessage } from './client.ts';
import type { Connection } from './connection.ts';
import { untilDurable, untilOldEnough } from './durable-queue.ts';
import { classify, isMissing } from './native-errors.ts';
import type { Publisher } from './publisher.ts';
import { RegistryTail, writtenHeader } from './registry-tail.ts';
import { registryQueue, streamQueue } from './topology.ts';

const opType = 'duobus.registry.op';
/** A first line that says nothing: an empty stream hands out nothing, so that empty and slow look the same. */
const genesisType = 'duobus.registry.genesis';

/** Lines from `last` on are few, but on 4.x no more than this arrive before the reply that ends a look at the end. */
const lookAhead = 5000;
/** How long an existing registry may take to hand out its first line before its maker is taken to have died. */
const genesisMs = 2000;
const startMs = 30_000;

/** The connections as they are now; both throw while the driver is not connected. */
export interface Links {
  consume(): Connection;
  copies(): Publisher;
}

/**
 * The records of topics and the names of subscriptions: a stream that every process reads from its beginning and
 * keeps reading. A change is appended and counts once it has been read back, so that the order of the log decides.
 */
export class RegistryStream {
  readonly #links: Links;
  #tail: RegistryTail | undefined;
  #starting: Promise<RegistryTail | undefined> | undefined;

  constructor(links: Links) {
    this.#links = links;
  }

  /** What is known, be it some milliseconds old. `undefined`: there is no registry, and `mode` does not make one. */
  async known(mode: TopologyMode, signal: AbortSignal): Promise<Registry | undefined> {
    const tail = await this.#started(mode, signal);
    return tail?.registry;
  }

  /** Everything that was in the registry when this was called. */
  async fresh(mode: TopologyMode, signal: AbortSignal): Promise<Registry | undefined> {
    const tail = await this.#started(mode, signal);
    if (tail === undefined) return undefined;
    const offset = await this.#lastOffset(signal);
    await tail.reaches(offset, signal);
    return tail.registry;
  }

  /** Appends, waits until it is read back, and returns what `look` saw right before it was applied. */
  async append<T>(op: RegistryOp, look: (before: Registry) => T, signal: AbortSignal): Promise<T> {
    const tail = await this.#started('create', signal);
    if (tail === undefined) throw new BusError('DUOBUS_BUG', 'the registry was not made');
    const id = randomUUID();
    const seen = tail.expect(id, look);
    try {
      await this.#publish(opType, Registry.encode(op), id, signal);
      return await abortable(seen, signal);
    } finally {
      seen.catch(() => undefined); // told above, unless publishing has failed first
      tail.forget(id);
    }
  }

  /** Resolves when the queues that were made after this name was registered are durable. */
  async untilOldEnough(topic: string, name: string, signal: AbortSignal): Promise<void> {
    await untilOldEnough(this.#tail?.ageOf(topic, name) ?? 0, signal);
  }

  async #started(mode: TopologyMode, signal: AbortSignal): Promise<RegistryTail | undefined> {
    if (this.#tail?.alive === true) return this.#tail;
    this.#starting ??= this.#start(mode).finally(() => (this.#starting = undefined));
    const tail = await abortable(this.#starting, signal);
    // it may have been started for a caller that makes nothing
    return tail === undefined && mode === 'create' ? this.#started(mode, signal) : tail;
  }

  async #start(mode: TopologyMode): Promise<RegistryTail | undefined> {
    // shared by all callers, so not bound to the signal of one
    const signal = AbortSignal.timeout(startMs);
    if (!(await this.#exists(signal))) {
      if (mode === 'check') return undefined;
      await this.#make(signal);
    }
    const tail = await RegistryTail.open(this.#links.consume(), opType, signal);
    try {
      await tail.reaches(await this.#lastOffset(signal, mode), signal);
    } catch (error) {
      await tail.close();
      throw classify(error, `read the registry '${registryQueue}'`);
    }
    this.#tail = tail;
    return tail;
  }

  async #exists(signal: AbortSignal): Promise<boolean> {
    try {
      await this.#links
        .consume()
        .with('look for the registry', signal, (channel) => channel.checkQueue(registryQueue));
      return true;
    } catch (error) {
      if (isMissing(error) && !(signal.aborted && error === signal.reason)) return false;
      throw error;
    }
  }

  async #make(signal: AbortSignal): Promise<void> {
    await this.#links
      .consume()
      .with(`make the registry '${registryQueue}'`, signal, (channel) =>
        channel.assertQueue(registryQueue, streamQueue),
      );
    await untilDurable(signal);
    await this.#publish(genesisType, '', randomUUID(), signal);
  }

  async #publish(
    type: string,
    text: string,
    messageId: string,
    signal: AbortSignal,
  ): Promise<void> {
    const options = { persistent: true, type, messageId, headers: { [writtenHeader]: Date.now() } };
    const sending = { exchange: '', routingKey: registryQueue, body: Buffer.from(text), options };
    const [outcome] = await this.#links.copies().send([sending], signal);
    if (outcome?.status === 'stored') return;
    if (signal.aborted) throw signal.reason as Error;
    throw outcome?.error ?? new BusError('DUOBUS_BUG', 'a publish had no outcome');
  }

  /**
   * The offset of the last line. A reader that starts at the last chunk and has got its first line has got all lines
   * by the time one more request on its channel is answered.
   */
  async #lastOffset(signal: AbortSignal, mode: TopologyMode = 'check'): Promise<number> {
    return this.#links
      .consume()
      .with(`read the end of the registry '${registryQueue}'`, signal, async (channel) => {
        let last = -1;
        await channel.prefetch(lookAhead, false);
        const first = new Promise<void>((resolve, reject) => {
          const take = (message: AmqpMessage | null): void => {
            if (message === null) return reject(new Error('the broker ended the reader'));
            last = Math.max(last, offsetOf(message));
            channel.ack(message as never);
            resolve();
          };
          const from = { arguments: { 'x-stream-offset': 'last' } };
          channel.consume(registryQueue, take, from).catch(reject);
        });
        await this.#firstLine(first, mode, signal);
        await channel.checkQueue(registryQueue);
        return last;
      });
  }

  /** A registry without a line was made by a process that died before it wrote one: another line heals it. */
  async #firstLine(first: Promise<void>, mode: TopologyMode, signal: AbortSignal): Promise<void> {
    const patience = AbortSignal.timeout(genesisMs);
    try {
      await abortable(first, patience);
    } catch (error) {
      if (!patience.aborted || signal.aborted) throw error;
      if (mode === 'check') {
        throw new BusError(
          'DUOBUS_UNAVAILABLE',
          `RabbitMQ: the registry '${registryQueue}' hands out nothing: a process with topology 'create' mends it`,
          { retryable: true },
        );
      }
      await this.#publish(genesisType, '', randomUUID(), signal);
      await first;
    }
  }
}

function offsetOf({ properties }: AmqpMessage): number {
  const offset = properties.headers?.['x-stream-offset'];
  return typeof offset === 'number' ? offset : -1;
}
