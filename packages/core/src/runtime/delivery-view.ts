import { AsyncLocalStorage } from 'node:async_hooks';
import type { Cause, Delivery } from '../delivery.ts';
import type { Attributes } from '../envelope.ts';
import type { PublishOptions, Receipt } from '../publish-options.ts';
import type { Topic } from '../topic.ts';
import type { Item } from './item.ts';

/** The delivery whose handler is running: what it publishes inherits its correlation. */
export const currentDelivery: AsyncLocalStorage<Delivery> = new AsyncLocalStorage();

/** What a delivery needs of its bus. */
export interface DeliveryHome {
  readonly bus: 'event' | 'data';
  readonly name: string;
  publish(
    topic: Topic<never, unknown>,
    document: unknown,
    options: PublishOptions,
  ): Promise<Receipt>;
  once<T>(
    scope: string,
    effect: (tx: unknown) => T | Promise<T>,
    delivery: Delivery,
  ): Promise<T | undefined>;
}

/** What a handler sees of one hand-over. */
export class DeliveryView implements Delivery {
  readonly #item: Item;
  readonly #home: DeliveryHome;
  readonly #run: number;
  #signal: AbortSignal | undefined;
  readonly attributes: Attributes;
  readonly attempt: number;
  readonly cause: Cause;

  constructor(item: Item, home: DeliveryHome) {
    this.#item = item;
    this.#home = home;
    this.#run = item.run;
    this.attributes = item.attributes as Attributes;
    this.attempt = item.failed + 1;
    this.cause = item.cause;
  }

  get bus(): 'event' | 'data' {
    return this.#home.bus;
  }

  get topic(): string {
    return this.#item.part.source.topic.name;
  }

  get name(): string {
    return this.#home.name;
  }

  get id(): string {
    return this.attributes.id;
  }

  get source(): string {
    return this.attributes.source;
  }

  get type(): string {
    return this.attributes.type;
  }

  get key(): string | undefined {
    return this.#item.record.key ?? this.attributes['partitionkey'];
  }

  get redelivered(): boolean {
    return this.cause !== 'first' || this.#item.redelivered;
  }

  get position(): string | undefined {
    return this.#item.position;
  }

  get appendedAt(): number | undefined {
    return this.#item.appendedAt;
  }

  get partition(): number {
    return this.#item.part.partition;
  }

  get epoch(): number {
    return this.#item.lease.epoch;
  }

  get signal(): AbortSignal {
    if (this.#signal !== undefined) return this.#signal;
    const { aborted, run } = this.#item;
    if (aborted !== undefined || run !== this.#run) this.#signal = AbortSignal.abort(aborted);
    else {
      this.#item.abort ??= new AbortController();
      this.#signal = this.#item.abort.signal;
    }
    return this.#signal;
  }

  publish<In>(
    topic: Topic<In, unknown>,
    document: In,
    options: PublishOptions = {},
  ): Promise<Receipt> {
    return this.#home.publish(topic, document, {
      cause: this,
      ...options,
    });
  }

  once<T>(scope: string, effect: (tx: unknown) => T | Promise<T>): Promise<T | undefined> {
    return this.#home.once(scope, effect, this);
  }
}
