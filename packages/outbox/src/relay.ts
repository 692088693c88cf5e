import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, BusError } from '@duobus/core';
import { type Backoff, Bell, checkInteger, checkOptions, delayOf } from '@duobus/core/envelopes';
import { Lease } from './lease.ts';
import type { Outbox } from './outbox.ts';
import {
  type RelayEvent,
  type RelayOptions,
  type RelayState,
  type Settings,
  settingsOf,
} from './relay-options.ts';
import { Shift } from './shift.ts';
import { StoreCalls } from './store-calls.ts';
import type { OutboxLag, OutboxStore } from './store.ts';

export interface RelayHealth {
  /** True: nothing is in the way of what is waiting. */
  readonly ok: boolean;
  readonly state: RelayState;
  /** What is wrong, in sentences. */
  readonly problems: readonly string[];
  /** `undefined` where the database did not answer. */
  readonly lag: OutboxLag | undefined;
}

/** Publishes what an outbox holds. */
export interface Relay extends AsyncDisposable {
  readonly state: RelayState;
  /** Resolves on `close`; rejects on any end that was not asked for, as when the bus is closed first. */
  readonly done: Promise<void>;
  health(): Promise<RelayHealth>;
  /** Publishes nothing new, waits for what is in flight up to the grace time, deletes what was published, and lets another
   *  relay take over. Leaves nothing alive. Idempotent. */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}

const storeBackoff: Backoff = { firstMs: 100, factor: 2, maxMs: 10_000 };
/** A closing relay waits that long for the database, once its grace time is over. */
const farewellMs = 2_000;

/**
 * Publishes the committed documents of an outbox on the bus, in order by key, and deletes them when the broker has
 * confirmed them. Several relays of one outbox, in any processes, agree on one that publishes; the others stand by.
 * Resolves when it has found the tables.
 * @throws TypeError for wrong options
 * @throws BusError DUOBUS_NOT_FOUND before `migrate`, DUOBUS_UNAVAILABLE where the database cannot be reached
 * @example await using relay = await startRelay(outbox, bus)
 */
export async function startRelay(
  outbox: Pick<Outbox<never>, 'store'>,
  bus: Pick<Bus, 'events' | 'data'>,
  options: RelayOptions = {},
): Promise<Relay> {
  const settings = settingsOf(options);
  if (typeof (outbox?.store as OutboxStore | undefined)?.acquire !== 'function')
    throw new TypeError('startRelay: the first argument must be an outbox');
  if (typeof bus?.events !== 'object' || typeof bus.data !== 'object')
    throw new TypeError('startRelay: the second argument must be a bus, as connect returns it');
  const relay = new RunningRelay(outbox.store, bus, settings);
  await relay.start();
  return relay;
}

class RunningRelay implements Relay {
  readonly #store: OutboxStore;
  readonly #bus: Pick<Bus, 'events' | 'data'>;
  readonly #settings: Settings;
  readonly #owner = randomUUID();
  /** Aborted when `close` is called: the loops end. */
  readonly #closing = new AbortController();
  /** Aborted past the grace time: nothing is waited for any longer. */
  readonly #over = new AbortController();
  readonly #calls: StoreCalls;
  readonly #bell = new Bell();
  /** What the standby waits for is not every new row. */
  readonly #vacancy = new Bell();
  #shift: Shift | undefined;
  #state: RelayState = 'starting';
  #storeError: unknown;
  #listenError: unknown;
  #closed: Promise<void> | undefined;
  done: Promise<void> = Promise.resolve();

  constructor(store: OutboxStore, bus: Pick<Bus, 'events' | 'data'>, settings: Settings) {
    this.#store = store;
    this.#bus = bus;
    this.#settings = settings;
    this.#calls = new StoreCalls(settings.storeTimeoutMs, this.#over.signal);
  }

  get state(): RelayState {
    return this.#state;
  }

  async start(): Promise<void> {
    const lease = await this.#take();
    this.done = this.#run(lease);
  }

  async health(): Promise<RelayHealth> {
    const problems: string[] = [];
    let lag: OutboxLag | undefined;
    try {
      lag = await this.#calls.ask(() => this.#store.lag());
    } catch (error) {
      problems.push(`the database cannot be read: ${textOf(error)}`);
    }
    const { stuckAfterMs } = this.#settings;
    if (this.#state === 'closed') problems.push('the relay is closed');
    if (this.#storeError !== undefined)
      problems.push(`the database failed: ${textOf(this.#storeError)}`);
    if (this.#listenError !== undefined)
      problems.push(`new rows are found by polling alone: ${textOf(this.#listenError)}`);
    problems.push(...(this.#shift?.problems ?? []));
    if (lag !== undefined && lag.setAside > 0)
      problems.push(`${lag.setAside} documents are set aside: see outbox.failed()`);
    if (lag !== undefined && lag.ms >= stuckAfterMs)
      problems.push(`the oldest document has waited for ${Math.round(lag.ms)} ms`);
    return { ok: problems.length === 0, state: this.#state, problems, lag };
  }

  close(options: { readonly graceMs?: number } = {}): Promise<void> {
    try {
      checkOptions('close', options, ['graceMs']);
      checkInteger('close', 'graceMs', options.graceMs, 0, Number.MAX_SAFE_INTEGER);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#closed ??= this.#close(options.graceMs ?? this.#settings.graceMs);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(graceMs: number): Promise<void> {
    this.#closing.abort();
    this.#bell.ring();
    this.#vacancy.ring();
    const closed = new BusError('DUOBUS_CLOSED', 'the relay was closed, and its time was over');
    const publishes = setTimeout(() => this.#shift?.giveUp(closed), Math.min(graceMs, 2 ** 31 - 1));
    const calls = setTimeout(
      () => this.#over.abort(closed),
      Math.min(graceMs + farewellMs, 2 ** 31 - 1),
    );
    try {
      await this.done.catch(() => undefined); // whoever looks at `done` is told
    } finally {
      clearTimeout(publishes);
      clearTimeout(calls);
    }
  }

  async #run(first: Lease | undefined): Promise<void> {
    const listening = this.#listen();
    let failure: { readonly error: unknown } | undefined;
    try {
      await this.#loop(first);
    } catch (error) {
      failure = { error };
    }
    this.#closing.abort();
    try {
      await this.#leave();
    } catch (error) {
      // another relay repeats what could not be deleted, and takes over when the lease has run out
      this.#tell({ type: 'store', call: 'work', error });
    }
    this.#shift?.stop();
    await listening;
    this.#enter('closed');
    if (failure !== undefined && this.#closed === undefined) throw failure.error;
  }

  /** Until the relay is closed, or the bus is. */
  async #loop(first: Lease | undefined): Promise<void> {
    let failures = 0;
    const sound = (): void => {
      failures = 0;
      this.#storeError = undefined;
    };
    for (let lease = first; !this.#closing.signal.aborted; ) {
      try {
        if (lease === undefined) {
          this.#enter('standby');
          await this.#vacancy.wait(this.#settings.leaseMs / 3);
          if (this.#closing.signal.aborted) return;
          lease = await this.#take();
          sound();
        } else if (!(await this.#work(lease, sound))) lease = undefined;
      } catch (error) {
        if (this.#over.signal.aborted || isEnd(error)) throw error;
        failures += 1;
        this.#storeError = error;
        this.#tell({ type: 'store', call: 'work', error });
        await this.#pause(delayOf(storeBackoff, failures));
      }
    }
  }

  async #leave(): Promise<void> {
    const shift = this.#shift;
    if (shift === undefined) return;
    await shift.finish(this.#over.signal);
    await this.#calls.ask(() => this.#store.release(shift.fence));
  }

  #take(): Promise<Lease | undefined> {
    return Lease.take(this.#store, this.#calls, this.#owner, this.#settings.leaseMs);
  }

  /** Until the relay is closed or something fails, then it goes on where it was; or until the lease is lost: false. */
  async #work(lease: Lease, sound: () => void): Promise<boolean> {
    this.#shift ??= new Shift({
      store: this.#store,
      calls: this.#calls,
      bus: this.#bus,
      settings: this.#settings,
      bell: this.#bell,
      lease,
      tell: (event) => this.#tell(event),
    });
    this.#enter('active');
    while (await this.#shift.turn()) {
      sound();
      if (this.#closing.signal.aborted) return true;
    }
    this.#enter('standby');
    // until then memory holds what it held, and the next shift the same again
    await this.#shift.settled();
    this.#shift = undefined;
    return false;
  }

  /** One connection after the other: what is written while there is none is found by polling. */
  async #listen(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#store.listen((what) => {
          failures = 0;
          this.#listenError = undefined;
          if (what === 'lease') this.#vacancy.ring();
          this.#shift?.look();
        }, signal);
        if (!signal.aborted) throw new BusError('DUOBUS_BUG', 'outbox: listen ended of itself');
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.#listenError = error;
        this.#tell({ type: 'store', call: 'listen', error });
        await this.#pause(delayOf(storeBackoff, failures));
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    // at least a little: full jitter can be nothing at all
    await sleep(Math.max(ms, 20), undefined, { signal: this.#closing.signal }).catch(
      () => undefined,
    );
  }

  #enter(state: RelayState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#tell({ type: 'state', state });
  }

  /** Whoever looks on must not break what he looks at. */
  #tell(event: RelayEvent): void {
    try {
      this.#settings.onEvent?.(event);
    } catch {
      // as with the hooks of core's `instrument`
    }
  }
}

/** The bus is closed: there is nothing to publish on. */
function isEnd(error: unknown): boolean {
  return BusError.is(error, 'DUOBUS_CLOSED');
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
