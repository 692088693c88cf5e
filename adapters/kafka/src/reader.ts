import { BusError, type Place, type ReadResult } from '@duobus/core/driver';
import { Carrier } from './carrier.ts';
import { decompress } from './compression.ts';
import { fetchRequest } from './fetch-protocol.ts';
import { Leaders } from './leaders.ts';
import { KafkaCode } from './native-errors.ts';
import type { Settings } from './options.ts';
import { decodeBatches } from './record-batch.ts';

export interface ReadLimits {
  readonly maxBytes: number;
  readonly maxWaitMs: number;
}

interface Line {
  readonly carrier: Carrier;
  readonly leaders: Leaders;
  since: number;
}

const outOfRange = 1;
const spareForMs = 30_000;
const maxSpare = 4;
const leastBytes = 1_024;
const mostBytes = 64 * 1024 * 1024;

/** Reads pieces of the log. A fetch that waits holds up its connection, so that every running read has its own. */
export class Reader {
  readonly #settings: Settings;
  readonly #spare: Line[] = [];
  readonly #busy = new Set<Line>();
  #sweeper: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  async read(
    topic: string,
    partition: number,
    from: Place,
    { maxBytes, maxWaitMs }: ReadLimits,
    signal: AbortSignal,
  ): Promise<ReadResult> {
    if (!Number.isSafeInteger(from.offset) || from.offset < 0) throw gone(topic, partition, from);
    const line = this.#take();
    const cut = (): void => line.carrier.close();
    signal.addEventListener('abort', cut, { once: true });
    try {
      signal.throwIfAborted();
      const size = Math.min(mostBytes, Math.max(leastBytes, Math.floor(maxBytes)));
      return await this.#fetch(line, topic, partition, from.offset, {
        maxBytes: size,
        maxPartitionBytes: size,
        maxWaitMs: Math.max(0, Math.floor(maxWaitMs)),
      });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', cut);
      this.#giveBack(line);
    }
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const line of [...this.#spare, ...this.#busy]) line.carrier.close();
    this.#spare.length = 0;
  }

  async #fetch(
    line: Line,
    topic: string,
    partition: number,
    start: number,
    limits: Parameters<typeof fetchRequest>[2],
  ): Promise<ReadResult> {
    let offset = start;
    for (const deadline = Date.now() + limits.maxWaitMs; ; ) {
      const maxWaitMs = Math.max(0, deadline - Date.now());
      const [answer] = await line.leaders.relying(topic, async () =>
        line.carrier.send(
          await line.leaders.of(topic, partition),
          fetchRequest(topic, [{ partition, offset }], { ...limits, maxWaitMs }),
        ),
      );
      if (answer === undefined)
        throw new BusError(
          'DUOBUS_BUG',
          `fetching '${topic}' brought no answer for partition ${partition}`,
        );
      if (answer.errorCode === outOfRange) throw gone(topic, partition, { offset: start, time: 0 });
      if (answer.errorCode !== 0) {
        line.leaders.suspect(topic);
        throw new KafkaCode(answer.errorCode);
      }
      const { records, next, error } = await decodeBatches(
        answer.batches,
        offset,
        answer.aborted,
        decompress,
      );
      if (error !== undefined && records.length === 0) throw error;
      const last = records.at(-1);
      const atEnd = error === undefined && next >= answer.stableEnd;
      // batches may hold nothing for a reader: go on until there is a record, or nothing more
      if (last !== undefined || (atEnd && (next > offset || Date.now() >= deadline)))
        return {
          records,
          next: { offset: next, time: last?.time ?? 0 },
          atEnd,
        };
      if (next === offset && Date.now() >= deadline)
        return { records: [], next: { offset, time: 0 }, atEnd };
      offset = next;
    }
  }

  #take(): Line {
    if (this.#closed) throw new BusError('DUOBUS_CLOSED', 'the Kafka adapter has been closed');
    const line = this.#spare.pop() ?? this.#makeLine();
    this.#busy.add(line);
    return line;
  }

  #makeLine(): Line {
    const carrier = new Carrier(this.#settings);
    return { carrier, leaders: new Leaders(carrier), since: 0 };
  }

  #giveBack(line: Line): void {
    this.#busy.delete(line);
    if (this.#closed || line.carrier.closed || this.#spare.length >= maxSpare) {
      line.carrier.close();
      return;
    }
    line.since = Date.now();
    this.#spare.push(line);
    this.#sweeper ??= setInterval(() => this.#sweep(), spareForMs).unref();
  }

  #sweep(): void {
    const old = Date.now() - spareForMs;
    for (const line of this.#spare.splice(0)) {
      if (line.since < old) line.carrier.close();
      else this.#spare.push(line);
    }
    if (this.#spare.length > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }
}

function gone(topic: string, partition: number, { offset }: Place): BusError {
  return new BusError(
    'DUOBUS_POSITION_GONE',
    `offset ${offset} of partition ${partition} of topic '${topic}' is not in the log: retention has passed it, or the log ends before it`,
    {
      context: { topic, partition, offset },
    },
  );
}
