import { BusError, type OutboundRecord } from '@duobus/core/driver';
import type { KafkaPartition } from './group-shares.ts';
import type { Producer } from './producer.ts';

interface Waiting {
  readonly record: OutboundRecord;
  stored(offset: number): void;
  failed(error: unknown): void;
}

const batch = { records: 500, bytes: 512 * 1024 };

/** Appends single records to partitions that several members of this process write to: in batches, one at a time. */
export class Copies {
  readonly #producer: Producer;
  readonly #closed: AbortSignal;
  readonly #lines = new Map<string, Waiting[]>();

  constructor(producer: Producer, closed: AbortSignal) {
    this.#producer = producer;
    this.#closed = closed;
  }

  /** Resolves when it is stored, to where. @throws BusError where it is not, or not known to be */
  async append(at: KafkaPartition, record: OutboundRecord): Promise<number> {
    return await new Promise<number>((resolve, reject) => {
      const waiting: Waiting = { record, stored: resolve, failed: reject };
      const name = `${at.partition}:${at.topic}`;
      const line = this.#lines.get(name);
      if (line !== undefined) {
        line.push(waiting);
        return;
      }
      const started = [waiting];
      this.#lines.set(name, started);
      void this.#drain(name, at, started);
    });
  }

  async #drain(name: string, at: KafkaPartition, line: Waiting[]): Promise<void> {
    await Promise.resolve(); // what is settled together is appended together
    while (line.length > 0) await this.#send(at, line.splice(0, nextBatch(line)));
    this.#lines.delete(name);
  }

  async #send({ topic, partition }: KafkaPartition, sent: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await this.#producer.append(
        topic,
        partition,
        sent.map(({ record }) => record),
        this.#closed,
      );
      sent.forEach(({ stored, failed }, index) => {
        const outcome = outcomes[index];
        if (outcome?.status === 'stored') stored(outcome.place?.offset ?? -1);
        else failed(outcome?.error ?? new BusError('DUOBUS_BUG', 'a copy has no outcome'));
      });
    } catch (error) {
      for (const { failed } of sent) failed(error);
    }
  }
}

/** How many of those that wait go together: at least one. */
function nextBatch(line: readonly Waiting[]): number {
  let bytes = 0;
  let count = 0;
  for (const { record } of line) {
    bytes += record.body?.byteLength ?? 0;
    if (count > 0 && (count === batch.records || bytes > batch.bytes)) break;
    count += 1;
  }
  return count;
}
