import type { Health } from '../handle.ts';
import type { LogDriver, QueueDriver } from '../driver.ts';
import { BusError } from '../errors.ts';
import type { ConsumerHandle } from './consumer-handle.ts';
import type { Context } from './context.ts';
import type { Half } from './half.ts';
import { lagOf } from './lag.ts';

type AnyHalf = Half<QueueDriver> | Half<LogDriver>;

/** Connected is not consuming: bad is also who has work and does none of it. */
export class HealthCheck {
  readonly #context: Context;
  readonly #halves: readonly AnyHalf[];
  readonly #handles: ReadonlySet<ConsumerHandle>;
  readonly #began: number;

  constructor(context: Context, halves: readonly AnyHalf[], handles: ReadonlySet<ConsumerHandle>) {
    this.#context = context;
    this.#halves = halves;
    this.#handles = handles;
    this.#began = context.now();
  }

  async look(): Promise<Health> {
    const connected = !this.#context.isClosed() && this.#halves.every((half) => half.link.up);
    const handles = await Promise.all(
      [...this.#handles].map((handle) => this.#lookAt(handle, connected)),
    );
    return { ok: connected && handles.every(({ ok }) => ok), connected, handles };
  }

  async #lookAt(handle: ConsumerHandle, connected: boolean): Promise<Health['handles'][number]> {
    const { bus, name, topics, state } = handle;
    const stuck = state === 'running' && connected && (await this.#isStuck(handle));
    const { stuckAfterMs = 300_000 } = this.#context.options;
    const detail = stuck
      ? `there are documents, and none has been handled for ${stuckAfterMs} ms`
      : handle.detail;
    return { bus, name, topics, state, ok: state === 'running' && !stuck, detail };
  }

  async #isStuck(handle: ConsumerHandle): Promise<boolean> {
    const { stuckAfterMs = 300_000 } = this.#context.options;
    const since = handle.stats().lastHandledAt ?? this.#began;
    if (this.#context.now() - since < stuckAfterMs) return false;
    if (handle.hasWork) return true;
    for (const half of this.#halves) {
      if (
        half.driver.kind === 'log' &&
        handle.bus === 'data' &&
        (await this.#behind(half as Half<LogDriver>, handle))
      )
        return true;
      if (
        half.driver.kind === 'queue' &&
        handle.bus === 'event' &&
        (await this.#waiting(half as Half<QueueDriver>, handle))
      )
        return true;
    }
    return false;
  }

  async #behind(half: Half<LogDriver>, handle: ConsumerHandle): Promise<boolean> {
    return this.#any(
      handle,
      half,
      async (topic) => (await lagOf(half, topic, handle.name, this.#context.now())).records > 0,
    );
  }

  async #waiting(half: Half<QueueDriver>, handle: ConsumerHandle): Promise<boolean> {
    return this.#any(
      handle,
      half,
      async (topic) =>
        (await half.link.request((signal) => half.driver.inspect(topic, handle.name, signal)))
          .ready > 0,
    );
  }

  async #any(
    handle: ConsumerHandle,
    half: AnyHalf,
    test: (topic: NonNullable<ReturnType<AnyHalf['topics']['current']>>) => Promise<boolean>,
  ): Promise<boolean> {
    for (const name of handle.topics) {
      const topic = half.topics.current(name);
      if (topic === undefined) continue;
      try {
        if (await test(topic)) return true;
      } catch (error) {
        // What cannot be asked is not known to be stuck; the connection has its own place in this report.
        if (!BusError.is(error)) throw error;
      }
    }
    return false;
  }
}
