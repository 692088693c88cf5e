import type { Timers } from '../internal/timers.ts';

/**
 * The outage brake (design: C5). When documents exhaust their attempts one after the other with no success between,
 * it is not the documents: one is tried now and then until one succeeds.
 */
export class Brake {
  readonly #timers: Timers;
  readonly #options: { readonly brakeAfter: number; readonly brakeMs: number };
  readonly #wake: () => void;
  readonly #changed: (on: boolean) => void;
  #inRow = 0;
  #on = false;
  #mayTry = false;
  #cancel: (() => void) | undefined;

  constructor(
    timers: Timers,
    options: { readonly brakeAfter: number; readonly brakeMs: number },
    wake: () => void,
    changed: (on: boolean) => void,
  ) {
    this.#timers = timers;
    this.#options = options;
    this.#wake = wake;
    this.#changed = changed;
  }

  get on(): boolean {
    return this.#on;
  }

  /** While on: the next document may be tried. */
  get mayTry(): boolean {
    return this.#mayTry;
  }

  exhausted(): void {
    this.#inRow += 1;
    if (this.#on || this.#inRow < this.#options.brakeAfter) return;
    this.#on = true;
    this.#arm();
    this.#changed(true);
  }

  success(): void {
    this.#inRow = 0;
    if (!this.#on) return;
    this.close();
    this.#on = false;
    this.#changed(false);
  }

  /** A document is being tried. */
  tried(): void {
    if (this.#on) this.#arm();
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #arm(): void {
    this.#mayTry = false;
    this.close();
    this.#cancel = this.#timers.after(this.#options.brakeMs, () => {
      this.#mayTry = true;
      this.#wake();
    });
  }
}
