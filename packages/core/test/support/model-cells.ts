import type { Cell, CellResult, Cells, CellWrite } from '../../src/driver.ts';
import { BusError } from '../../src/errors.ts';
import type { Clock } from '../../src/internal/clock.ts';

/** What goes wrong on the way to the cells; each a share of the calls, from 0 to 1. */
export interface Weather {
  /** Calls and answers take up to so long, in ms. */
  delayMs: number;
  /** The call never arrives. */
  fails: number;
  /** It is carried out, and its answer never arrives. */
  silent: number;
  /** A change is not told to who watches. */
  deaf: number;
}

export const calm: Weather = { delayMs: 0, fails: 0, silent: 0, deaf: 0 };

/** A broker's cells, with everything that was written to them. */
export class ModelCells {
  readonly weather: Weather = { ...calm };
  /** Every write that was accepted, in order. */
  readonly history: { readonly key: string; readonly value: string | undefined }[] = [];
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #cells = new Map<string, Cell>();
  readonly #watchers = new Set<() => void>();
  #version = 0;

  constructor(clock: Clock, random: () => number = () => 0.5) {
    this.#clock = clock;
    this.#random = random;
  }

  get all(): readonly Cell[] {
    return [...this.#cells.values()];
  }

  value(key: string): string | undefined {
    return this.#cells.get(key)?.value;
  }

  /** The way of one process: cut for as long as `frozen` says so, for ever once it is dead. */
  through(process: { readonly frozen: () => Promise<void>; readonly dead: () => boolean }): Cells {
    const call = async <T>(signal: AbortSignal, run: () => T): Promise<T> => {
      signal.throwIfAborted();
      await process.frozen();
      await this.#pause();
      if (process.dead()) return new Promise<T>(() => undefined);
      if (this.#random() < this.weather.fails) throw unavailable();
      const answer = run();
      await this.#pause();
      await process.frozen();
      signal.throwIfAborted();
      if (this.#random() < this.weather.silent) throw unavailable();
      return answer;
    };
    return {
      get: (keys, signal) => call(signal, () => keys.flatMap((key) => this.#cells.get(key) ?? [])),
      list: (signal) => call(signal, () => this.all),
      put: (writes, news, signal) =>
        call(signal, () => {
          const results = writes.map((write) => this.#write(write));
          if (news) for (const told of this.#watchers) told();
          return results;
        }),
      watch: (changed) => {
        const told = (): void => {
          if (!process.dead() && this.#random() >= this.weather.deaf) changed();
        };
        this.#watchers.add(told);
        return () => this.#watchers.delete(told);
      },
    };
  }

  #write({ key, value, ifVersion }: CellWrite): CellResult {
    if (this.#cells.get(key)?.version !== ifVersion) return { status: 'conflict' };
    this.history.push({ key, value });
    this.#version += 1;
    const version = value === undefined ? undefined : String(this.#version);
    if (value === undefined) this.#cells.delete(key);
    else this.#cells.set(key, { key, value, version: String(this.#version) });
    return { status: 'written', version };
  }

  #pause(): Promise<void> {
    const ms = Math.floor(this.#random() * this.weather.delayMs);
    if (ms === 0) return Promise.resolve();
    return new Promise((resolve) => this.#clock.after(ms, resolve));
  }
}

function unavailable(): BusError {
  return new BusError('DUOBUS_UNAVAILABLE', 'the model was told to fail', { retryable: true });
}
