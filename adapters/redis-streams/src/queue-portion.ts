import type { InboundRecord } from '@duobus/core/driver';

/** A reply with more than this, in bytes or in documents, would hold up everybody else. */
const mostBytes = 8 * 1024 * 1024;
const mostRecords = 500;
/** As long as nothing is known about how large they are. */
const firstRecords = 50;

/** How many documents to ask for at a time, by the size of those that have come. */
export class Portion {
  #averageBytes = 0;

  get records(): number {
    if (this.#averageBytes === 0) return firstRecords;
    return Math.max(1, Math.min(mostRecords, Math.floor(mostBytes / this.#averageBytes)));
  }

  weigh(records: readonly Pick<InboundRecord, 'body'>[]): void {
    const bytes = records.reduce((sum, { body }) => sum + (body?.byteLength ?? 0), 0);
    const average = 1 + bytes / records.length;
    // what has become larger counts at once, what has become smaller little by little
    this.#averageBytes = Math.max(average, (this.#averageBytes + average) / 2);
  }
}
