import { randomUUID } from 'node:crypto';
import {
  abortable,
  BusError,
  type Cell,
  type CellResult,
  type Cells,
  type CellWrite,
} from '@duobus/core/driver';
import {
  beginReading,
  CellsFold,
  cellsGenesisType,
  cellsOpType,
  cellsSnapshotType,
  encodeOp,
} from './cells-fold.ts';
import { FoldedStream, type Links } from './folded-stream.ts';
import { isMissing } from './native-errors.ts';
import type { Line } from './stream-line.ts';
import { controlStream } from './topology.ts';

const patienceMs = 30_000;

/**
 * The cells of one group, in one stream. Everything that this process does with the group shares one reading of it. A
 * look appends a line that asks for nothing and waits for it: what was before it is known then, on whichever replica.
 */
export class GroupCells implements Cells {
  readonly #stream: FoldedStream<CellsFold>;
  readonly #watchers = new Set<() => void>();
  #running = 0;
  #usedAt = Date.now();
  /** Settles when the look that is under way is over. */
  #last: Promise<unknown> = Promise.resolve();
  /** The look that begins after it. */
  #queued: Promise<CellsFold | undefined> | undefined;
  #snapshotting = false;

  constructor(links: Links, queue: string, what: string) {
    this.#stream = new FoldedStream(links, {
      queue,
      declaration: controlStream,
      what,
      genesisType: cellsGenesisType,
      opType: cellsOpType,
      waitUntilDurable: false,
      fold: () => new CellsFold(() => this.#tell()),
      from: beginReading,
      lostHelp:
        'a policy limits its age or length further than duobus does; take the policy off, remove the group and subscribe anew',
    });
  }

  /** What is known without asking. */
  get current(): CellsFold | undefined {
    return this.#stream.current;
  }

  /** How long nobody has needed it, in ms. */
  idleMs(now: number): number {
    return this.#running > 0 || this.#watchers.size > 0 ? 0 : now - this.#usedAt;
  }

  async get(keys: readonly string[], signal: AbortSignal): Promise<readonly Cell[]> {
    return (await this.#look(signal))?.get(keys) ?? [];
  }

  async list(signal: AbortSignal): Promise<readonly Cell[]> {
    return (await this.#look(signal))?.all ?? [];
  }

  async put(
    writes: readonly CellWrite[],
    news: boolean,
    signal: AbortSignal,
  ): Promise<readonly CellResult[]> {
    return this.#use(async () => {
      try {
        const judge = (before: CellsFold, line: Line): readonly CellResult[] => before.judge(line);
        return await this.#stream.append(encodeOp(writes, news), judge, signal);
      } catch (error) {
        if (!isMissing(error) || signal.aborted) throw error;
        await this.#stream.close();
        throw removed(error);
      } finally {
        void this.#snapshot();
      }
    });
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => {
      this.#watchers.delete(changed);
      this.#usedAt = Date.now();
    };
  }

  close(): Promise<void> {
    return this.#stream.close();
  }

  /** Those who come while a look is under way share the next one: what they want to see may be later than its line. */
  #look(signal: AbortSignal): Promise<CellsFold | undefined> {
    this.#queued ??= this.#lookAfter(this.#last);
    const looking = this.#queued;
    return this.#use(() => abortable(looking, signal));
  }

  async #lookAfter(last: Promise<unknown>): Promise<CellsFold | undefined> {
    await last;
    this.#queued = undefined;
    const looking = this.#probe(AbortSignal.timeout(patienceMs));
    this.#last = looking.catch(() => undefined); // told to those who look
    return looking;
  }

  async #probe(signal: AbortSignal): Promise<CellsFold | undefined> {
    if ((await this.#stream.known('check', signal)) === undefined) return undefined;
    try {
      const fold = await this.#stream.append(
        encodeOp([], false),
        (known) => known,
        signal,
        'check',
      );
      void this.#snapshot();
      return fold;
    } catch (error) {
      if (!isMissing(error) || signal.aborted) throw error;
      await this.#stream.close();
      return undefined;
    }
  }

  /** Any process may write one, and two do no harm. */
  async #snapshot(): Promise<void> {
    const fold = this.#stream.current;
    if (fold?.snapshotDue !== true || this.#snapshotting) return;
    this.#snapshotting = true;
    try {
      const signal = AbortSignal.timeout(patienceMs);
      await this.#stream.publish(cellsSnapshotType, fold.snapshot(), randomUUID(), signal);
    } catch {
      // it stays due, and the next line brings it
    } finally {
      this.#snapshotting = false;
    }
  }

  async #use<T>(work: () => Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      this.#usedAt = Date.now();
    }
  }

  #tell(): void {
    for (const changed of this.#watchers) changed();
  }
}

function removed(cause: unknown): BusError {
  return new BusError(
    'DUOBUS_UNAVAILABLE',
    'RabbitMQ: the group was removed meanwhile; it is looked for again',
    { cause, retryable: true },
  );
}
