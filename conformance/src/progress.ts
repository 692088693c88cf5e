import type { CaseResult } from './report.ts';

/** Where progress is shown: a terminal, or what keeps every line. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Tells how far a run is: on a terminal in one line that changes, elsewhere in a line for each case. */
export class Progress {
  readonly #screen: Screen;
  readonly #total: number;
  readonly #running = new Set<string>();
  #done = 0;
  #failed = 0;

  constructor(screen: Screen, total: number) {
    this.#screen = screen;
    this.#total = total;
  }

  begun(name: string): void {
    this.#running.add(name);
    this.#redraw();
  }

  ended({ name, verdict, ms, error = '' }: CaseResult): void {
    this.#running.delete(name);
    this.#done += 1;
    if (verdict === 'fail') {
      this.#failed += 1;
      this.#line(`FAIL ${name}\n${error}\n`);
    } else if (this.#screen.isTTY !== true) {
      this.#line(`${verdict} ${name} (${ms} ms, ${this.#done} of ${this.#total})`);
    }
    this.#redraw();
  }

  /** Leaves nothing behind that is not to be kept. */
  over(): void {
    if (this.#screen.isTTY === true) this.#screen.write(clear);
  }

  #line(text: string): void {
    this.#screen.write(`${this.#screen.isTTY === true ? clear : ''}${text}\n`);
  }

  #redraw(): void {
    if (this.#screen.isTTY !== true) return;
    const failed = this.#failed === 0 ? '' : `, ${this.#failed} failed`;
    const text = `${this.#done} of ${this.#total}${failed}: ${[...this.#running].join(', ')}`;
    // what is wider would be a second line, which cannot be taken back
    this.#screen.write(`${clear}${text.slice(0, (this.#screen.columns ?? 80) - 1)}`);
  }
}

const clear = '\r\u001B[2K';
