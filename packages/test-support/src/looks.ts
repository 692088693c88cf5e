/** Lets a test wait for what it can look at: without a timer, whenever something has happened. */
export class Looks {
  readonly #looks = new Set<() => void>();

  /** Something has happened. */
  look(): void {
    for (const one of this.#looks) one();
  }

  /** Resolves at the first look at which it holds, the first of which is now. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const one = (): void => {
        if (!holds()) return;
        this.#looks.delete(one);
        resolve();
      };
      this.#looks.add(one);
      one();
    });
  }
}
