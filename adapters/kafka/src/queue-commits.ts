import type { LogMember } from '@duobus/core/driver';
import type { QueuePart } from './queue-part.ts';

interface Round {
  readonly parts: Set<QueuePart>;
  readonly written: Promise<ReadonlySet<QueuePart>>;
  resolve(fenced: ReadonlySet<QueuePart>): void;
  reject(error: unknown): void;
}

/** Writes the pointers of a member's partitions, one request at a time: what changes meanwhile goes with the next. */
export class QueueCommits {
  readonly #member: LogMember;
  readonly #ending = new Set<QueuePart>();
  #next: Round | undefined;
  #running = false;

  constructor(member: LogMember) {
    this.#member = member;
  }

  /** Resolves when what holds now is durable, to those of the partitions that are no longer owned. */
  write(parts: Iterable<QueuePart>): Promise<ReadonlySet<QueuePart>> {
    const round = (this.#next ??= newRound());
    for (const part of parts) round.parts.add(part);
    if (!this.#running) void this.#run();
    return round.written;
  }

  /** The last write of a partition: what is not held any more is not held by anybody. */
  end(part: QueuePart): Promise<ReadonlySet<QueuePart>> {
    this.#ending.add(part);
    return this.write([part]);
  }

  async #run(): Promise<void> {
    this.#running = true;
    await Promise.resolve(); // what is settled in one turn is written together
    for (let round = this.#next; round !== undefined; round = this.#next) {
      this.#next = undefined;
      await this.#write(round);
    }
    this.#running = false;
  }

  async #write({ parts, resolve, reject }: Round): Promise<void> {
    const asked = [...parts].filter(({ alive }) => alive);
    const fenced = new Set([...parts].filter(({ alive }) => !alive));
    try {
      const results =
        asked.length === 0
          ? []
          : await this.#member.commit(asked.map((part) => part.write(this.#ending.has(part))));
      asked.forEach((part, index) => {
        if (results[index] === 'ok') part.written();
        else fenced.add(part);
      });
      resolve(fenced);
    } catch (error) {
      reject(error);
    }
  }
}

function newRound(): Round {
  let resolve: Round['resolve'] = () => undefined;
  let reject: Round['reject'] = () => undefined;
  const written = new Promise<ReadonlySet<QueuePart>>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  written.catch(() => undefined); // those who wait are told
  return { parts: new Set(), written, resolve, reject };
}
