import { adapterFor } from '../adapters.ts';
import type { Bus, BusOptions, CloseOptions } from '../bus.ts';
import type { Handler, Middleware } from '../delivery.ts';
import type { Handle, Health } from '../handle.ts';
import { busOptions, checkBusOptions } from '../internal/check-bus-options.ts';
import { checkOptions } from '../internal/check-options.ts';
import { intercept } from '../internal/intercept.ts';
import { newId } from '../internal/new-id.ts';
import { createBus } from '../runtime/create-bus.ts';
import type { Topic } from '../topic.ts';
import { drive, driven, shortReach } from './drive.ts';
import type { Reach } from './drive.ts';
import { deliver } from './deliver.ts';
import type { DeliverOptions } from './deliver.ts';
import { untilIdle } from './idle.ts';
import { manualClock } from './manual-clock.ts';
import type { ManualClock } from './manual-clock.ts';
import { Recorder } from './recorder.ts';
import type { PublishedDocument } from './recorder.ts';

export interface TestBusOptions extends Partial<BusOptions> {
  /** Default: a new one. */
  readonly clock?: ManualClock;
}

/** A bus for unit tests: on @duobus/memory, its time controlled. */
export interface TestBus extends Bus {
  /** The time of the bus, and of everything in its broker. Calls of the bus move it where they need to, by little. */
  readonly clock: ManualClock;
  /** Resolves when every handler has handled what is there. Documents that wait for a retry go on waiting: see
   *  `clock.advance`. Rejects after 5 s, with what is still to be done. */
  idle(): Promise<void>;
  /** The documents stored in a topic through this bus, on either bus, in order. */
  published<In>(topic: Topic<In, unknown>): readonly PublishedDocument<In>[];
  /** Calls a handler with a document as a broker would have brought it; resolves and rejects as the handler does.
   *  @example await bus.deliver(sendMail, { orderId: '42' }, { topic: Orders, attempt: 3 }) */
  deliver<Out>(
    handler: Handler<Out>,
    document: unknown,
    options?: DeliverOptions,
  ): Promise<unknown>;
}

/** A bus for unit tests. Needs the package @duobus/memory.
 *  @example await using bus = await testBus() */
export async function testBus(options: TestBusOptions = {}): Promise<TestBus> {
  checkOptions('testBus', options, ['clock', ...busOptions]);
  const { clock = manualClock(), source = '/test', ...rest } = options;
  const merged = { ...rest, source };
  checkBusOptions('testBus', merged);
  const recorder = new Recorder();
  const adapter = recorder.attach(
    await adapterFor({ url: `memory://test-${newId()}`, options: { clock } }),
  );
  const bus = await createBus({ events: adapter, data: adapter }, merged);
  return new ControlledBus(bus, clock, recorder, merged);
}

/** Closing waits for handlers as long as it would in earnest, but at once. */
const closeReach: Reach = { nearMs: 60_000, totalMs: 120_000 };

class ControlledBus implements TestBus {
  readonly clock: ManualClock;
  readonly events: Bus['events'];
  readonly data: Bus['data'];
  readonly #bus: Bus;
  readonly #recorder: Recorder;
  readonly #options: BusOptions;
  readonly #handles = new Set<Handle>();

  constructor(bus: Bus, clock: ManualClock, recorder: Recorder, options: BusOptions) {
    this.#bus = bus;
    this.clock = clock;
    this.#recorder = recorder;
    this.#options = options;
    const { events, data } = bus;
    this.events = driven(
      clock,
      intercept(events, {
        subscribe: async (...args) => this.#kept(await events.subscribe(...args)),
      }),
    );
    this.data = driven(
      clock,
      intercept(data, { subscribe: async (...args) => this.#kept(await data.subscribe(...args)) }),
    );
  }

  #kept(handle: Handle): Handle {
    this.#handles.add(handle);
    const close = (): Promise<void> => drive(this.clock, handle.close(), closeReach);
    return intercept(handle, { close, [Symbol.asyncDispose]: close });
  }

  idle(): Promise<void> {
    return untilIdle({
      clock: this.clock,
      handles: this.#handles,
      stored: () => this.#recorder.count,
    });
  }

  published<In>(topic: Topic<In, unknown>): readonly PublishedDocument<In>[] {
    return this.#recorder.of(topic);
  }

  deliver<Out>(
    handler: Handler<Out>,
    document: unknown,
    options?: DeliverOptions,
  ): Promise<unknown> {
    const { source, store } = this.#options;
    const home = { bus: this, source, clock: this.clock, store };
    return deliver(home, handler, document, options);
  }

  use(middleware: Middleware): this {
    this.#bus.use(middleware);
    return this;
  }

  health(): Promise<Health> {
    return drive(this.clock, this.#bus.health(), shortReach);
  }

  close(options?: CloseOptions): Promise<void> {
    return drive(this.clock, this.#bus.close(options), closeReach);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
