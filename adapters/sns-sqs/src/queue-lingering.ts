import type { Intake } from './queue-intake.ts';

/** Requests for messages that end within this time by themselves are waited for at the end. */
const soonMs = 1_500;

/**
 * Members that are closed, and whose last requests for messages still run: SQS goes on taking messages for a request
 * that is aborted, and they would be away for as long as their visibility. So it runs on, and what comes is given back.
 */
export class Lingering {
  readonly #intakes = new Map<Intake, Promise<void>>();

  add(intake: Intake): void {
    if (this.#intakes.has(intake)) return;
    const settled = intake.settled().finally(() => this.#intakes.delete(intake));
    this.#intakes.set(intake, settled);
  }

  /** The connection ends. */
  async end(): Promise<void> {
    const by = performance.now() + soonMs;
    for (const intake of this.#intakes.keys()) if (intake.endsAt > by) intake.abort();
    const late = setTimeout(() => {
      for (const intake of this.#intakes.keys()) intake.abort();
    }, soonMs);
    await Promise.all(this.#intakes.values());
    clearTimeout(late);
  }
}
