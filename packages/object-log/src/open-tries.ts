import type { Call } from './append-call.ts';
import type { Moment } from './moment.ts';

/** A segment that was sent, and is not known to be stored or not. */
export interface Try {
  readonly nonce: string;
  readonly end: number;
  readonly calls: readonly Call[];
  readonly abort: AbortController;
}

/** The tries of one partition whose outcome is not known. All were made at one offset: see PartitionWriter. */
export class OpenTries {
  #tries: Try[] = [];
  #madeAt: { readonly offset: number; readonly asOf: Moment } | undefined;

  /** Where they were made, and when that was last known to be the end. */
  get madeAt(): { readonly offset: number; readonly asOf: Moment } | undefined {
    return this.#madeAt;
  }

  get all(): readonly Try[] {
    return this.#tries;
  }

  get calls(): readonly Call[] {
    return this.#tries.flatMap(({ calls }) => calls);
  }

  has(attempt: Try): boolean {
    return this.#tries.includes(attempt);
  }

  of(call: Call): readonly Try[] {
    return this.#tries.filter(({ calls }) => calls.includes(call));
  }

  withNonce(nonce: string): Try | undefined {
    return this.#tries.find((attempt) => attempt.nonce === nonce);
  }

  add(attempt: Try, offset: number, asOf: Moment): void {
    this.#madeAt ??= { offset, asOf };
    this.#tries.push(attempt);
  }

  /** It is certainly not stored. */
  remove(attempt: Try): void {
    this.#tries = this.#tries.filter((one) => one !== attempt);
    if (this.#tries.length === 0) this.#madeAt = undefined;
  }

  /** The key was still free then. */
  renew(asOf: Moment): void {
    if (this.#madeAt !== undefined) this.#madeAt = { offset: this.#madeAt.offset, asOf };
  }

  clear(): void {
    this.#tries = [];
    this.#madeAt = undefined;
  }
}
