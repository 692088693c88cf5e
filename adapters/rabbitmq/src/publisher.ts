import { BusError, type Outcome } from '@duobus/core/driver';
import type { AmqpConfirmChannel, AmqpMessage, AmqpPublishOptions } from './client.ts';
import type { Connection } from './connection.ts';
import { classify } from './native-errors.ts';
import { copyHeader } from './record-codec.ts';

/** One message on its way. */
export interface Sending {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly options: AmqpPublishOptions;
}

const stored: Outcome = Object.freeze({ status: 'stored' });

/** Messages of one `send`: one promise for all of them, counted down by the confirms. */
class Call {
  readonly sendings: readonly Sending[];
  readonly outcomes: (Outcome | undefined)[];
  written = 0;
  #left: number;
  readonly #resolve: (outcomes: readonly Outcome[]) => void;

  constructor(sendings: readonly Sending[], resolve: (outcomes: readonly Outcome[]) => void) {
    this.sendings = sendings;
    this.outcomes = Array.from({ length: sendings.length });
    this.#left = sendings.length;
    this.#resolve = resolve;
  }

  settle(index: number, outcome: Outcome): void {
    if (this.outcomes[index] !== undefined) return;
    this.outcomes[index] = outcome;
    this.#left -= 1;
    if (this.#left === 0) this.#resolve(this.outcomes as readonly Outcome[]);
  }

  /** Settles what is still open: what was written may be stored, the rest is certainly not. */
  giveUp(error: BusError): void {
    for (const index of this.sendings.keys()) {
      this.settle(index, { status: index < this.written ? 'unknown' : 'rejected', error });
    }
  }
}

/** Sends on one confirm channel, in the order of the calls. */
export class Publisher {
  readonly #connection: Connection;
  readonly #channel: AmqpConfirmChannel;
  readonly #toOneQueue: boolean;
  /** Calls that wait for the end of the broker's alarm. */
  #waiting: Call[] = [];
  readonly #underway = new Set<Call>();
  readonly #returned = new Set<number>();
  #copies = 0;
  #ended = false;
  #reason: Error | undefined;
  readonly #forget: () => void;

  /** `toOneQueue`: messages go to a queue that must exist, instead of to all who are interested, be they none. */
  static async open(
    connection: Connection,
    toOneQueue: boolean,
    signal: AbortSignal,
  ): Promise<Publisher> {
    let ended = (_reason: Error | undefined): void => undefined;
    const channel = await connection.confirmChannel((reason) => ended(reason), signal);
    const publisher = new Publisher(connection, channel, toOneQueue);
    ended = (reason) => publisher.#end(reason);
    return publisher;
  }

  private constructor(connection: Connection, channel: AmqpConfirmChannel, toOneQueue: boolean) {
    this.#connection = connection;
    this.#channel = channel;
    this.#toOneQueue = toOneQueue;
    this.#forget = connection.onUnblocked(() => this.#writeWaiting());
    channel.on('error', (error: Error) => (this.#reason ??= error));
    channel.on('return', (message: AmqpMessage) => {
      const copy = message.properties.headers?.[copyHeader];
      if (typeof copy === 'number') this.#returned.add(copy);
    });
  }

  get alive(): boolean {
    return !this.#ended && this.#connection.alive;
  }

  /** One outcome for each, in order. Never rejects. */
  send(sendings: readonly Sending[], signal: AbortSignal): Promise<readonly Outcome[]> {
    if (sendings.length === 0) return Promise.resolve([]);
    return new Promise((resolve) => {
      const abort = (): void => {
        this.#waiting = this.#waiting.filter((waiting) => waiting !== call);
        call.giveUp(givenUp(this.#connection.blocked));
      };
      const call = new Call(sendings, (outcomes) => {
        signal.removeEventListener('abort', abort);
        this.#underway.delete(call);
        resolve(outcomes);
      });
      this.#underway.add(call);
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();
      else if (this.#connection.blocked || this.#waiting.length > 0) this.#waiting.push(call);
      else this.#write(call);
    });
  }

  #write(call: Call): void {
    for (const [index, sending] of call.sendings.entries()) {
      try {
        if (this.#toOneQueue) this.#writeCopy(call, index, sending);
        else this.#writeOne(call, index, sending, sending.options, undefined);
        call.written = index + 1;
      } catch (error) {
        // refused before a byte of it was written
        call.settle(index, {
          status: 'rejected',
          error: classify(error, `publish to ${target(sending)}`),
        });
      }
    }
  }

  #writeCopy(call: Call, index: number, sending: Sending): void {
    const copy = (this.#copies = (this.#copies + 1) % 1_000_000_000);
    const headers = { ...sending.options.headers, [copyHeader]: copy };
    this.#writeOne(call, index, sending, { ...sending.options, headers, mandatory: true }, copy);
  }

  #writeOne(
    call: Call,
    index: number,
    sending: Sending,
    options: AmqpPublishOptions,
    copy: number | undefined,
  ): void {
    const { exchange, routingKey, body } = sending;
    this.#channel.publish(exchange, routingKey, body, options as never, (error) => {
      if (copy !== undefined && this.#returned.delete(copy)) {
        call.settle(index, { status: 'rejected', error: missing(sending) });
      } else {
        call.settle(index, error === null ? stored : this.#failed(sending, error));
      }
    });
  }

  #writeWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) this.#write(call);
  }

  #failed(sending: Sending, error: Error): Outcome {
    if (error.message === 'message nacked') {
      const refused = new BusError(
        'DUOBUS_REJECTED',
        `RabbitMQ refused a message for ${target(sending)}: a queue is full or has lost its majority; look at its limits and its nodes`,
        { retryable: true },
      );
      // of several queues one may have taken it
      return { status: this.#toOneQueue ? 'rejected' : 'unknown', error: refused };
    }
    const reason = this.#reason ?? this.#connection.reason;
    const because = classify(reason, `publish to ${target(sending)}`);
    return {
      status: isAbout(because, sending) ? 'rejected' : 'unknown',
      error: isAbout(because, sending) ? because : lost(sending, reason),
    };
  }

  #end(reason: Error | undefined): void {
    this.#reason ??= reason;
    this.#ended = true;
    this.#forget();
    this.#waiting = [];
    for (const call of this.#underway) call.giveUp(this.#connection.lost());
  }
}

/** A closed channel fails all that is on its way, but its reason names the one message that it refused. */
function isAbout(error: BusError, { exchange, body }: Sending): boolean {
  if (error.code === 'DUOBUS_NOT_FOUND') return error.message.includes(`exchange '${exchange}'`);
  if (error.code === 'DUOBUS_PERMISSION') {
    return error.message.includes(`exchange '${exchange === '' ? 'amq.default' : exchange}'`);
  }
  if (error.code === 'DUOBUS_TOO_LARGE') {
    return error.message.includes(`message size ${String(body.length)} `);
  }
  return false;
}

function lost(sending: Sending, cause: Error | undefined): BusError {
  const message = `RabbitMQ: the connection was lost before ${target(sending)} had confirmed; publishing the same document again is safe`;
  return new BusError('DUOBUS_UNAVAILABLE', message, { retryable: true, cause });
}

function missing(sending: Sending): BusError {
  return new BusError(
    'DUOBUS_NOT_FOUND',
    `RabbitMQ: ${target(sending)} does not exist: was the subscription removed?`,
  );
}

function givenUp(blocked: boolean): BusError {
  const why = blocked
    ? 'the broker takes no messages (memory or disk alarm): free some, or read what its queues hold'
    : 'the broker did not confirm in time';
  return new BusError('DUOBUS_TIMEOUT', `RabbitMQ: ${why}`, { retryable: true });
}

function target({ exchange, routingKey }: Sending): string {
  return exchange === '' ? `queue '${routingKey}'` : `exchange '${exchange}'`;
}
