import type { LogRecord } from '@duobus/core/driver';
import { encodeCopy } from './copy-codec.ts';
import type { Copies } from './copies.ts';
import type { KafkaPartition } from './group-shares.ts';
import type { QueueCommits } from './queue-commits.ts';
import type { Entry, QueuePart } from './queue-part.ts';

/** More gaps than this between retries that wait fill the pointer's text. */
const mostGaps = 300;
const moveAtOnce = 200;
/** Every read that is under way has a connection of its own. */
const readAtOnce = 4;

/** Retries that are not due: what there was no room for is read again, what leaves too many gaps is moved. */
export class WaitingRetries {
  readonly #at: KafkaPartition;
  readonly #copies: Copies;
  readonly #commits: QueueCommits;
  readonly #read: (offset: number) => Promise<readonly LogRecord[]>;
  #moving = false;
  #reading = 0;

  constructor(
    at: KafkaPartition,
    copies: Copies,
    commits: QueueCommits,
    read: (offset: number) => Promise<readonly LogRecord[]>,
  ) {
    this.#at = at;
    this.#copies = copies;
    this.#commits = commits;
    this.#read = read;
  }

  get canRead(): boolean {
    return this.#reading < readAtOnce;
  }

  /** One that is due, and was not kept in memory, is put back with its record. */
  async readAgain(entry: Entry): Promise<void> {
    this.#reading += 1;
    try {
      await this.#load(entry);
    } finally {
      this.#reading -= 1;
    }
    if (entry.record !== undefined && entry.part.alive) entry.part.due.insert(entry);
  }

  /** Puts those that have waited longest behind all others, so that there are fewer gaps between them. */
  async tidy(part: QueuePart): Promise<void> {
    if (this.#moving || part.ledger.gaps <= mostGaps) return;
    this.#moving = true;
    try {
      const moved = part.due.takeOldest(moveAtOnce);
      if (moved.length === 0) return;
      for (const entry of moved) await this.#load(entry);
      await Promise.all(moved.map((entry) => this.#copy(entry)));
      for (const entry of moved) part.settled(entry);
      await this.#commits.write([part]);
    } finally {
      this.#moving = false;
    }
  }

  async #load(entry: Entry): Promise<void> {
    const { part, offset } = entry;
    if (entry.record !== undefined) return;
    if (!part.found(entry, await this.#read(offset))) part.settled(entry);
  }

  async #copy({ record, state, due, offset, part }: Entry): Promise<void> {
    if (record === undefined) return;
    const marks = { state: part.ledger.state(offset) ?? state ?? '', due };
    await this.#copies.append(this.#at, encodeCopy(record, marks));
  }
}
