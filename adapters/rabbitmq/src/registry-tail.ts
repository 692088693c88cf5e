import { abortable, BusError, Registry, type RegistryOp } from '@duobus/core/driver';
import type { AmqpChannel, AmqpMessage } from './client.ts';
import type { Connection } from './connection.ts';
import { youngMs } from './durable-queue.ts';
import { classify } from './native-errors.ts';
import { registryQueue } from './topology.ts';

const prefetch = 1000;

/** When a line was written, by the clock of who wrote it. */
export const writtenHeader = 'duobus-at';

interface Expected {
  seen(before: Registry): void;
  fail(error: Error): void;
}

interface Waiting {
  readonly offset: number;
  resolve(): void;
  reject(error: Error): void;
}

/** One reading of the registry from its beginning, which goes on until the connection ends. */
export class RegistryTail {
  readonly registry: Registry = new Registry();
  readonly #opType: string;
  #channel: AmqpChannel | undefined;
  #offset = -1;
  #failure: Error | undefined;
  readonly #expected = new Map<string, Expected>();
  #waiting: Waiting[] = [];
  /** Names that were registered so lately that their queues may not be durable yet, and when. */
  readonly #young = new Map<string, number>();

  static async open(
    connection: Connection,
    opType: string,
    signal: AbortSignal,
  ): Promise<RegistryTail> {
    const tail = new RegistryTail(opType);
    try {
      await tail.#open(connection, signal);
    } catch (error) {
      // e.g. refused while the broker starts: an error of the client's would end the consumer instead of being retried
      throw tail.#ended(error as Error);
    }
    return tail;
  }

  private constructor(opType: string) {
    this.#opType = opType;
  }

  get alive(): boolean {
    return this.#failure === undefined;
  }

  /** Resolves when the line with this id is read, to what `look` sees before it is applied. */
  expect<T>(id: string, look: (before: Registry) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure);
      this.#expected.set(id, { seen: (before) => resolve(look(before)), fail: reject });
    });
  }

  /** How long ago this name was registered, in ms; infinite where it is long ago. */
  ageOf(topic: string, name: string): number {
    const at = this.#young.get(`${topic}/${name}`);
    return at === undefined ? Number.POSITIVE_INFINITY : Date.now() - at;
  }

  forget(id: string): void {
    this.#expected.delete(id);
  }

  /** Resolves when everything up to `offset` is applied. */
  async reaches(offset: number, signal: AbortSignal): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#offset >= offset) return;
    const reached = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ offset, resolve, reject });
    });
    await abortable(reached, signal);
  }

  async close(): Promise<void> {
    this.#fail(new BusError('DUOBUS_CLOSED', 'the registry is not read any more'));
    await this.#channel?.close().catch(() => undefined); // it may be closed already
  }

  async #open(connection: Connection, signal: AbortSignal): Promise<void> {
    const channel = await connection.channel((reason) => this.#fail(this.#ended(reason)), signal);
    this.#channel = channel;
    await connection.during(channel.prefetch(prefetch, false), signal);
    const consuming = channel.consume(registryQueue, (message) => this.#take(channel, message), {
      arguments: { 'x-stream-offset': 'first' },
    });
    await connection.during(consuming, signal);
  }

  #take(channel: AmqpChannel, message: AmqpMessage | null): void {
    if (this.#failure !== undefined) return;
    if (message === null) {
      this.#fail(this.#ended(undefined));
      return;
    }
    try {
      this.#apply(message);
    } catch (error) {
      this.#fail(classify(error, 'read the registry'));
      return;
    }
    channel.ack(message as never); // on a stream this is credit for the next
    this.#waiting = this.#waiting.filter((waiting) => {
      if (waiting.offset > this.#offset) return true;
      waiting.resolve();
      return false;
    });
  }

  #apply({ content, properties }: AmqpMessage): void {
    const offset = properties.headers?.['x-stream-offset'] as number;
    if (this.#offset === -1 && offset > 0) {
      throw new BusError(
        'DUOBUS_POSITION_GONE',
        `RabbitMQ: the registry '${registryQueue}' has lost its beginning: a policy limits its age or length; take the policy off and restore the stream, since it holds what topics are like`,
      );
    }
    this.#offset = offset;
    if (properties.type !== this.#opType) return;
    const text = content.toString();
    this.#noteAge(text, properties.headers?.[writtenHeader]);
    this.#expected.get(properties.messageId ?? '')?.seen(this.registry);
    this.registry.apply(text);
  }

  #noteAge(text: string, at: unknown): void {
    if (typeof at !== 'number' || Date.now() - at > youngMs) return;
    for (const [key, time] of this.#young) if (Date.now() - time > youngMs) this.#young.delete(key);
    const op = JSON.parse(text) as RegistryOp;
    if (op.op !== 'name' || this.registry.names(op.kind, op.topic).includes(op.name)) return;
    this.#young.set(`${op.topic}/${op.name}`, at);
  }

  #ended(reason: Error | undefined): BusError {
    return classify(reason, `read the registry '${registryQueue}'`);
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const { fail } of this.#expected.values()) fail(error);
    for (const { reject } of this.#waiting) reject(error);
    this.#expected.clear();
    this.#waiting = [];
  }
}
