import type { Health } from '../handle.ts';
import type { LogDriver, QueueDriver } from '../driver.ts';
import { BusError } from '../errors.ts';
import { Turns } from '../internal/turns.ts';
import type { ConsumerHandle } from './consumer-handle.ts';
import type { Context } from './context.ts';
import type { Half } from './half.ts';
import type { Neglect } from './neglect.ts';
import { lagOf } from './lag.ts';

/** Handles looked at together: a process may have hundreds, and the broker is asked about those that are idle. */
const atOnce = 16;

type AnyHalf = Half<QueueDriver> | Half<LogDriver>;

/** Connected is not consuming: bad is also who has work and does none of it. */
export class HealthCheck {
  readonly #context: Context;
  readonly #halves: readonly AnyHalf[];
  readonly #handles: ReadonlySet<ConsumerHandle>;
  readonly #neglect: Neglect | undefined;

  constructor(
    context: Context,
    halves: readonly AnyHalf[],
    handles: ReadonlySet<ConsumerHandle>,
    neglect: Neglect | undefined,
  ) {
    this.#context = context;
    this.#halves = halves;
    this.#handles = handles;
    this.#neglect = neglect;
  }

  async look(): Promise<Health> {
    const connected = !this.#context.isClosed() && this.#halves.every((half) => half.link.up);
    const turns = new Turns(atOnce);
    const handles = await Promise.all(
      [...this.#handles].map((handle) => turns.run(() => this.#lookAt(handle, connected))),
    );
    const neglected = this.#neglect?.neglected ?? [];
    return { ok: connected && handles.every(({ ok }) => ok), connected, handles, neglected };
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
    if (handle.idleWithWorkMs >= stuckAfterMs) return true;
    const quietMs = this.#context.now() - (handle.stats().lastHandledAt ?? handle.since);
    if (quietMs < stuckAfterMs) return false;
    for (const half of this.#halves) {
      if (half.driver.kind === 'log' && handle.bus === 'data') {
        if (await this.#behind(half as Half<LogDriver>, handle, stuckAfterMs)) return true;
      } else if (half.driver.kind === 'queue' && handle.bus === 'event') {
        if (await this.#waiting(half as Half<QueueDriver>, handle, stuckAfterMs)) return true;
      }
    }
    return false;
  }

  /** What has come only just now does not make anybody stuck. */
  async #behind(half: Half<LogDriver>, handle: ConsumerHandle, ms: number): Promise<boolean> {
    return this.#any(
      handle,
      half,
      async (topic) => (await lagOf(half, topic, handle.name, this.#context.now())).ms >= ms,
    );
  }

  async #waiting(half: Half<QueueDriver>, handle: ConsumerHandle, ms: number): Promise<boolean> {
    return this.#any(handle, half, async (topic) => {
      const { ready, oldestMs } = await half.link.request((signal) =>
        half.driver.inspect(topic, handle.name, signal),
      );
      return ready > 0 && (oldestMs === undefined || oldestMs >= ms);
    });
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
