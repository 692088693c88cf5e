import type { Adapter, Bus, BusOptions } from '@duobus/core';
import { connect } from '@duobus/core';
import {
  BusError,
  type LogDriver,
  type LogMember,
  type QueueDriver,
  type QueueMember,
} from '@duobus/core/driver';
import type { Harness } from './harness.ts';
import { intercept } from './intercept.ts';

interface Severed {
  readonly adapter: Adapter;
  /** From here on nothing reaches the broker, and what was held goes back. */
  sever(): Promise<void>;
}

/** A harness for adapters whose broker lives in this process: a crash is a member cut off unsettled. */
export function inProcess(
  makeAdapter: () => Adapter | Promise<Adapter>,
): Required<Pick<Harness, 'connect' | 'crash'>> {
  const cords = new WeakMap<Bus, Severed>();
  return {
    async connect(options: BusOptions): Promise<Bus> {
      const severed = severable(await makeAdapter());
      const bus = await connect(severed.adapter, options);
      cords.set(bus, severed);
      return bus;
    },
    async crash(bus: Bus): Promise<void> {
      await cords.get(bus)?.sever();
    },
  };
}

/** The same broker, reached through adapters that are changed: in this process, as others would have whole ones. */
export function changed(
  harness: Harness,
  makeAdapter: () => Adapter | Promise<Adapter>,
  change: (adapter: Adapter) => Adapter,
): Harness {
  const { processes: _, ...rest } = harness;
  return { ...rest, ...inProcess(async () => change(await makeAdapter())) };
}

/** An adapter whose cord can be cut. */
export function severable(adapter: Adapter): Severed {
  const cord = new Cord();
  const { queue, log } = adapter;
  return {
    adapter: {
      ...adapter,
      ...(queue === undefined ? {} : { queue: severableQueue(queue, cord) }),
      ...(log === undefined ? {} : { log: severableLog(log, cord) }),
    },
    sever: () => cord.cut(),
  };
}

/** Whether the way to the broker still holds, and what has to end with it. */
class Cord {
  readonly #ends = new Set<{ close(): Promise<void> }>();
  #cut = false;

  get isCut(): boolean {
    return this.#cut;
  }

  hold<T extends { close(): Promise<void> }>(end: T): T {
    this.#ends.add(end);
    return end;
  }

  letGo(end: { close(): Promise<void> }): void {
    this.#ends.delete(end);
  }

  async cut(): Promise<void> {
    this.#cut = true;
    await Promise.all([...this.#ends].map((end) => end.close()));
  }

  /** Calls through, unless cut before or meanwhile. */
  async through<T>(call: () => Promise<T>): Promise<T> {
    this.check();
    try {
      const value = await call();
      this.check();
      return value;
    } catch (error) {
      this.check();
      throw error;
    }
  }

  check(): void {
    if (this.#cut)
      throw new BusError('DUOBUS_UNAVAILABLE', 'the suite has cut this bus off', {
        retryable: true,
      });
  }
}

/** Every method by way of the cord. */
function allThrough<T extends object>(target: T, cord: Cord): T {
  return new Proxy(target, {
    get(original, property) {
      const value: unknown = Reflect.get(original, property, original);
      if (typeof value !== 'function') return value;
      const method = (value as (...args: unknown[]) => unknown).bind(original);
      if (property === 'close') return async () => (cord.isCut ? undefined : method());
      // These two answer at once and must not reject.
      if (property === 'start' || property === 'flow')
        return (...args: unknown[]) => (cord.isCut ? undefined : method(...args));
      return (...args: unknown[]) => cord.through(async () => method(...args));
    },
  });
}

function held<M extends QueueMember | LogMember>(member: M, cord: Cord): M {
  cord.hold(member);
  const through = allThrough(member, cord);
  return intercept<M>(
    through,
    (original) =>
      ({
        close: async () => {
          cord.letGo(member);
          await original.close();
        },
      }) as never,
  );
}

function severableQueue(queue: QueueDriver, cord: Cord): QueueDriver {
  cord.hold(queue);
  return intercept(allThrough(queue, cord), (original) => ({
    consume: async (...args) => held(await original.consume(...args), cord),
  }));
}

function severableLog(log: LogDriver, cord: Cord): LogDriver {
  cord.hold(log);
  return intercept(allThrough(log, cord), (original) => ({
    join: async (...args) => held(await original.join(...args), cord),
  }));
}
