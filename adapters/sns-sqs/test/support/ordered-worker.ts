import type { Leased, QueueMember } from '@duobus/core/driver';

/** Handles as the runtime does: the documents of a key one after the other, and a partition is given up when they are done. */
export class Worker {
  readonly member: QueueMember;
  readonly assigned: Set<number> = new Set();
  readonly #lanes = new Map<string, Promise<void>>();
  readonly #parts = new Map<number, Promise<void>[]>();
  readonly #handle: (record: Leased) => Promise<void>;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(member: QueueMember, handle: (record: Leased) => Promise<void>) {
    this.member = member;
    this.#handle = handle;
    this.#running = this.#run();
  }

  /** As a process that ends in good order. */
  async close(): Promise<void> {
    await this.member.stop();
    this.#stop.abort();
    await this.#running;
    await Promise.all([...this.#parts.values()].flat());
    await this.member.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    try {
      for (;;)
        for (const event of await this.member.receive(signal)) {
          if (event.type === 'assigned') this.assigned.add(event.partition);
          else if (event.type === 'records')
            for (const each of event.records) this.#queue(event.partition, each);
          else if (event.type === 'revoking') void this.#release(event.partition);
          else throw new Error(`nobody expects ${event.type} here`);
        }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #queue(partition: number, each: Leased): void {
    const { key = '', token } = each;
    const after = (this.#lanes.get(key) ?? Promise.resolve()).then(async () => {
      await this.#handle(each);
      const [settled] = await this.member.settle([{ token, verdict: 'done' }]);
      if (settled !== 'settled') throw new Error(`a document of ${key} was lost`);
    });
    this.#lanes.set(key, after);
    this.#parts.set(partition, [...(this.#parts.get(partition) ?? []), after]);
  }

  async #release(partition: number): Promise<void> {
    await Promise.all(this.#parts.get(partition) ?? []);
    this.#parts.delete(partition);
    this.assigned.delete(partition);
    await this.member.release(partition);
  }
}
