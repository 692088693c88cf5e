import { Bell, type QueueEvent } from '@duobus/core/driver';
import { removeSliceScript } from './event-admin-scripts.ts';
import { leaveScript, tendScript } from './event-scripts.ts';
import { gone, lost } from './member-end.ts';
import { eventChannel, type Scope } from './queue-scope.ts';

export interface LifeEvents {
  /** There may be something to read, in this partition or in any. */
  ring(partition: number | undefined): void;
  /** The member is over. */
  end(event: QueueEvent): void;
}

/** Beyond this share of the lease without a sign of life nothing is handed out: it may be somebody else's by now. */
const staleShare = 0.8;

/** Shows that a member lives, however long its handlers take, and finds out when it no longer does. */
export class Life {
  readonly id: string;
  readonly #scope: Scope;
  readonly #leaseMs: number;
  readonly #events: LifeEvents;
  readonly #bell = new Bell();
  #fresh: (() => void)[] = [];
  #beatenAt = performance.now();
  #closing = false;
  #unlisten: () => void = () => undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(scope: Scope, id: string, events: LifeEvents) {
    this.#scope = scope;
    this.id = id;
    this.#leaseMs = scope.connection.settings.leaseMs;
    this.#events = events;
  }

  /** It has joined already, when the call that did so began. */
  start(joinedAt: number): void {
    const { connection, topic } = this.#scope;
    this.#beatenAt = joinedAt;
    const onEnded = (): void => this.failed(connection.ended.reason);
    const { ended } = connection;
    const unlisten = connection.listen(eventChannel(topic), (message) => this.#heard(message));
    ended.addEventListener('abort', onEnded, { once: true });
    this.#unlisten = () => {
      unlisten();
      ended.removeEventListener('abort', onEnded);
    };
    if (ended.aborted) onEnded();
    this.#loop = this.#run();
  }

  /** Resolves once it is known to live, or is over; `undefined` if that is so now. */
  fresh(): Promise<void> | undefined {
    if (this.#closing) return undefined;
    if (performance.now() - this.#beatenAt <= this.#leaseMs * staleShare) return undefined;
    this.#bell.ring();
    return new Promise((resolve) => this.#fresh.push(resolve));
  }

  failed(error: unknown): void {
    this.#end(lost(this.#scope.what, error));
  }

  ended(status: 'gone' | 'lost'): void {
    const { topic, name, what } = this.#scope;
    if (status === 'gone') this.#end(gone(topic.name, name));
    else
      this.#end(
        lost(
          what,
          `it showed no sign of life for ${this.#leaseMs} ms and was taken for dead: was its process frozen, or its event loop blocked?`,
        ),
      );
  }

  /** No more signs of life. */
  stop(): void {
    this.#closing = true;
    this.#unlisten();
    this.#bell.ring();
    this.#freshen();
  }

  /** Leaves, and gives back what is still held. */
  async leave(): Promise<void> {
    this.stop();
    await this.#loop;
    const { connection, topic, name, uid, tag } = this.#scope;
    for (let more: unknown = 1; more === 1; ) {
      more = await connection.run(
        'commands',
        leaveScript,
        [tag],
        [name, uid, this.id, topic.order],
        `leave subscription ${this.#scope.what}`,
      );
    }
  }

  #end(event: QueueEvent): void {
    if (this.#closing) return;
    this.stop();
    this.#events.end(event);
  }

  #heard(message: string): void {
    if (message === '*') this.#bell.ring();
    this.#events.ring(message === '' || message === '*' ? undefined : Number(message));
  }

  async #run(): Promise<void> {
    try {
      while (!this.#closing) await this.#bell.wait(await this.#tend());
    } catch (error) {
      this.failed(error);
    }
  }

  /** Returns when to do so again. */
  async #tend(): Promise<number> {
    const { connection, topic, tag } = this.#scope;
    const beganAt = performance.now();
    const { status, values } = await this.#scope.run(
      tendScript,
      [this.id, this.#leaseMs, topic.order],
      'stay a consumer of',
    );
    if (status !== 'ok') {
      this.ended(status);
      return 0;
    }
    this.#beatenAt = beganAt;
    this.#freshen();
    const [nextMs, removing] = values as [number, number];
    // whoever began to remove a subscription may have died over it
    if (removing === 1 && !this.#closing) {
      await connection.run('commands', removeSliceScript, [tag], [], 'remove a subscription');
      return 0;
    }
    // it looks anyhow now and then, in case a bell was not heard
    this.#events.ring(undefined);
    return Math.min(nextMs, this.#leaseMs / 3);
  }

  #freshen(): void {
    for (const resolve of this.#fresh.splice(0)) resolve();
  }
}
