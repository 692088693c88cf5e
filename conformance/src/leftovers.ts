import { BusError } from '@duobus/core';

type Work = () => Promise<unknown>;

/** What a case has made, and has to be closed and removed in the end. */
export class Leftovers {
  readonly #ends: Work[] = [];
  readonly #removals = new Map<string, Work>();

  /** Runs first, whatever has happened. */
  defer(end: Work): void {
    this.#ends.push(end);
  }

  /** Runs when everything is closed; once for each name. */
  remove(name: string, removal: Work): void {
    this.#removals.set(name, removal);
  }

  /** Rejects with the first thing that went wrong, after trying all. `patiently` tries a removal until it is done. */
  async cleanUp(
    members: readonly { close(): Promise<unknown> }[],
    patiently: (attempt: () => Promise<boolean>) => Promise<void>,
  ): Promise<void> {
    const ended = await Promise.allSettled(this.#ends.map((end) => end()));
    const closed = await Promise.allSettled(members.map((member) => member.close()));
    const removed = await Promise.allSettled(
      [...this.#removals.values()].map((removal) => patiently(() => isRemoved(removal))),
    );
    const failure = [...ended, ...closed, ...removed].find(({ status }) => status === 'rejected');
    if (failure?.status === 'rejected')
      throw new Error(`cleaning up: ${String(failure.reason)}`, { cause: failure.reason });
  }
}

/** Who has died may count as a running member until its session is over. */
async function isRemoved(removal: Work): Promise<boolean> {
  try {
    await removal();
    return true;
  } catch (error) {
    if (BusError.is(error, 'DUOBUS_CONFLICT')) return false;
    throw error;
  }
}
