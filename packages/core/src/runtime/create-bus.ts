import type { Adapter, Bus, BusOptions, CloseOptions } from '../bus.ts';
import type { DataBus } from '../data-bus.ts';
import type { Middleware } from '../delivery.ts';
import type { EventBus } from '../event-bus.ts';
import type { Health } from '../handle.ts';
import { checkOptions } from '../internal/check-options.ts';
import { checkInteger } from '../internal/check-values.ts';
import type { ConsumerHandle } from './consumer-handle.ts';
import { Context } from './context.ts';
import { Data } from './data.ts';
import { Events } from './events.ts';
import { makeHalf, type Half } from './half.ts';
import { HealthCheck } from './health.ts';
import { Neglect } from './neglect.ts';
import { notSupported } from './subscribing.ts';
import type { LogDriver, QueueDriver } from '../driver.ts';
import { BusError } from '../errors.ts';

/** Puts a bus together and connects it. */
export async function createBus(
  adapters: { readonly events?: Adapter | undefined; readonly data?: Adapter | undefined },
  options: BusOptions,
): Promise<Bus> {
  const context = new Context(options, adapters.events?.clock ?? adapters.data?.clock);
  const bus = new Runtime(context, adapters);
  try {
    await bus.connect(options.connectTimeoutMs ?? 30_000);
  } catch (error) {
    await bus.close({ graceMs: 0 });
    throw error;
  }
  return bus;
}

class Runtime implements Bus {
  readonly #context: Context;
  readonly #queue: Half<QueueDriver> | undefined;
  readonly #log: Half<LogDriver> | undefined;
  readonly #handles = new Set<ConsumerHandle>();
  readonly #neglect: Neglect | undefined;
  readonly #health: HealthCheck;
  readonly events: EventBus;
  readonly data: DataBus;
  #closing: Promise<void> | undefined;

  constructor(
    context: Context,
    {
      events,
      data,
    }: { readonly events?: Adapter | undefined; readonly data?: Adapter | undefined },
  ) {
    this.#context = context;
    this.#queue = events?.queue === undefined ? undefined : makeHalf(events.queue, context);
    this.#log = data?.log === undefined ? undefined : makeHalf(data.log, context);
    this.#neglect = this.#queue === undefined ? undefined : new Neglect(context, this.#queue);
    this.#health = new HealthCheck(context, this.#halves, this.#handles, this.#neglect);
    this.events =
      this.#queue === undefined
        ? refusing('events', events?.name ?? data?.name ?? '')
        : new Events(context, this.#queue, this.#handles);
    this.data =
      this.#log === undefined
        ? refusing('data', data?.name ?? events?.name ?? '')
        : new Data(context, this.#log, this.#handles);
  }

  async connect(timeoutMs: number): Promise<void> {
    await Promise.all(this.#halves.map((half) => half.link.connect(timeoutMs)));
    this.#neglect?.watch();
  }

  use(middleware: Middleware): this {
    if (typeof middleware !== 'function')
      throw new TypeError('use: middleware must be a function (delivery, next) => ...');
    this.#context.middleware.push(middleware);
    return this;
  }

  health(): Promise<Health> {
    return this.#health.look();
  }

  close(options: CloseOptions = {}): Promise<void> {
    try {
      checkOptions('close', options, ['graceMs']);
      checkInteger('close', 'graceMs', options.graceMs, 0, Number.MAX_SAFE_INTEGER);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #halves(): readonly (Half<QueueDriver> | Half<LogDriver>)[] {
    return [this.#queue, this.#log].filter((half) => half !== undefined);
  }

  async #close({ graceMs = this.#context.options.graceMs ?? 25_000 }: CloseOptions): Promise<void> {
    const { timers } = this.#context;
    this.#context.beginClose();
    const until = timers.now() + graceMs;
    const results = await Promise.allSettled(
      [...this.#handles].map((handle) => handle.close(graceMs)),
    );
    const flushed = Promise.all(this.#halves.map((half) => half.publishing.flushed()));
    await Promise.race([flushed, timers.sleep(Math.max(0, until - timers.now()))]);
    const closed = new BusError(
      'DUOBUS_CLOSED',
      'the bus was closed before the broker had confirmed',
    );
    for (const half of this.#halves) {
      half.topics.close();
      half.publisher.close(closed);
    }
    this.#context.end();
    results.push(...(await Promise.allSettled(this.#halves.map((half) => half.driver.close()))));
    const errors = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    );
    if (errors.length > 0)
      throw errors.length === 1
        ? errors[0]
        : new AggregateError(errors, 'closing the bus failed in several places');
  }
}

/** The half an adapter does not have: whatever is asked of it is refused. */
function refusing(half: 'events' | 'data', name: string): never {
  return new Proxy({} as never, {
    get(_, property) {
      if (typeof property === 'symbol' || property === 'then') return undefined;
      if (property === 'capabilities') throw notSupported(half, name);
      if (property === 'topics') return refusing(half, name);
      if (property === 'deadLetters') {
        return () => {
          throw notSupported(half, name);
        };
      }
      if (property === 'read') return () => refusedIteration(half, name);
      return () => Promise.reject(notSupported(half, name));
    },
  });
}

function refusedIteration(half: 'events' | 'data', name: string): AsyncIterable<never> {
  return {
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(notSupported(half, name)) }),
  };
}
