import { abortable, BusError } from '@duobus/core/driver';
import { atMost } from './at-most.ts';
import type { AmqpChannel, AmqpConfirmChannel, AmqpConnection } from './client.ts';
import { classify } from './native-errors.ts';

/** How long a farewell may take: amqplib's `close` never settles when the peer is dead. */
const farewellMs = 1500;

type Ended = (reason: Error | undefined) => void;

/** One connection for as long as it lives. It is never mended: the driver's `open` makes another. */
export class Connection {
  readonly native: AmqpConnection;
  #ended = false;
  #reason: Error | undefined;
  #blocked = false;
  readonly #unblocked = new Set<() => void>();
  readonly #over = new AbortController();
  /** Told by us when the connection is cut: amqplib only tells channels of an end that the peer has agreed to. */
  readonly #channels = new Set<() => void>();

  static async open(
    connect: () => Promise<AmqpConnection>,
    where: string,
    signal: AbortSignal,
  ): Promise<Connection> {
    let given = false;
    const opening = connect().then((native) => {
      const connection = new Connection(native);
      // nobody waits any more: it must not stay open unused
      if (signal.aborted && !given) void connection.close();
      return connection;
    });
    try {
      const connection = await abortable(opening, signal);
      given = true;
      return connection;
    } catch (error) {
      opening.catch(() => undefined); // told above, or replaced by the reason of the signal
      if (signal.aborted) throw error;
      throw classify(error, `connect to ${where}`);
    }
  }

  private constructor(native: AmqpConnection) {
    this.native = native;
    native.on('error', (error: Error) => (this.#reason ??= error));
    native.on('handler-error', (error: Error) => (this.#reason ??= error));
    native.on('close', (error?: Error) => {
      this.#reason ??= error;
      this.#end();
    });
    native.on('blocked', () => (this.#blocked = true));
    native.on('unblocked', () => {
      this.#blocked = false;
      this.#wake();
    });
    // amqplib reports errors of our own listeners on its raw connection only
    (native.connection as Partial<AmqpConnection> | undefined)?.on?.(
      'handler-error',
      (error: Error) => (this.#reason ??= error),
    );
  }

  get alive(): boolean {
    return !this.#ended;
  }

  /** The broker takes no publishes for now: its memory or disk alarm is on. */
  get blocked(): boolean {
    return this.#blocked && !this.#ended;
  }

  /** Whether a member can have its channels here. The other half is for members that grow, and for requests. */
  get hasRoom(): boolean {
    // what the broker allows is known only to amqplib's raw connection
    const { channelMax = 2_047 } = this.native.connection as { readonly channelMax?: number };
    return this.#channels.size < channelMax / 2;
  }

  /** Why it ended, if it is known. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** Calls `listener` when `blocked` may have become false. Returns what takes it off again. */
  onUnblocked(listener: () => void): () => void {
    this.#unblocked.add(listener);
    return () => this.#unblocked.delete(listener);
  }

  channel(ended: Ended, signal: AbortSignal): Promise<AmqpChannel> {
    return this.#prepare(() => this.native.createChannel(), ended, signal);
  }

  confirmChannel(ended: Ended, signal: AbortSignal): Promise<AmqpConfirmChannel> {
    return this.#prepare(() => this.native.createConfirmChannel(), ended, signal);
  }

  /** Runs `work` on a channel of its own, since a refused request closes the channel it was made on. */
  async with<T>(
    tried: string,
    signal: AbortSignal,
    work: (channel: AmqpChannel) => Promise<T>,
  ): Promise<T> {
    const over = new AbortController();
    let reason: Error | undefined;
    try {
      const channel = await this.channel((ended) => {
        reason = ended;
        over.abort(ended ?? this.lost());
      }, signal);
      try {
        // who waits for messages is not told that the channel has ended
        return await this.during(abortable(work(channel), over.signal), signal);
      } finally {
        // not awaited: nobody needs to know, and a failed request has closed it already
        void atMost(farewellMs, async () => channel.close());
      }
    } catch (error) {
      if (signal.aborted && error === signal.reason) throw error;
      // requests that wait are only told that there will be no answer
      throw classify(reason ?? error, tried);
    }
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    await atMost(farewellMs, async () => this.native.close());
    this.#end();
  }

  /** As `promise`; fails as well when the connection ends, since amqplib leaves requests to a dead peer unanswered. */
  async during<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
    return abortable(abortable(promise, this.#over.signal), signal);
  }

  async #prepare<C extends AmqpChannel>(
    create: () => Promise<C>,
    ended: Ended,
    signal: AbortSignal,
  ): Promise<C> {
    if (this.#ended) throw this.lost();
    let told = false;
    const tell = (reason: Error | undefined): void => {
      this.#channels.delete(cut);
      if (!told) ended(reason);
      told = true;
    };
    const cut = (): void => tell(this.#reason);
    const creating = create().then((channel) => {
      let reason: Error | undefined;
      channel.on('error', (error: Error) => (reason ??= error));
      channel.on('handler-error', (error: Error) => {
        reason ??= error;
        void atMost(farewellMs, async () => channel.close());
      });
      channel.on('close', () => tell(reason ?? this.#reason));
      this.#channels.add(cut);
      return channel;
    });
    try {
      return await this.during(creating, signal);
    } catch (error) {
      creating.then((channel) => channel.close()).catch(() => undefined); // given up, or failed as told below
      if (signal.aborted && error === signal.reason) throw error;
      throw classify(error, 'open a channel');
    }
  }

  lost(): BusError {
    return new BusError(
      'DUOBUS_UNAVAILABLE',
      'RabbitMQ: the connection was lost; it is opened again',
      { retryable: true, ...(this.#reason === undefined ? {} : { cause: this.#reason }) },
    );
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    destroyStream(this.native);
    this.#over.abort(this.lost());
    for (const cut of this.#channels) cut();
    this.#wake();
  }

  #wake(): void {
    for (const listener of this.#unblocked) listener();
  }
}

/** A half-open socket to a dead peer would keep the process alive until the kernel gives it up. */
function destroyStream(native: AmqpConnection): void {
  const raw = native.connection as { readonly stream?: { destroy?: () => void } } | undefined;
  raw?.stream?.destroy?.();
}
