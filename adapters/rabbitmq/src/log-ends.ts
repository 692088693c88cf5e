import type { Bounds, Place } from '@duobus/core/driver';
import type { AmqpMessage } from './client.ts';
import type { Links } from './folded-stream.ts';
import { isGenesis } from './log-record.ts';
import { type EndsFound, readEnds } from './stream-ends.ts';
import { offsetOf, writtenAt } from './stream-line.ts';

/** Where partitions begin and end. */
export class LogEnds {
  readonly #links: Links;
  readonly #mend: (queue: string, signal: AbortSignal) => Promise<void>;

  constructor(links: Links, mend: (queue: string, signal: AbortSignal) => Promise<void>) {
    this.#links = links;
    this.#mend = mend;
  }

  async bounds(queues: readonly string[], signal: AbortSignal): Promise<readonly Bounds[]> {
    return (await this.#look(queues, undefined, signal)).map(boundsOf);
  }

  /** The broker knows when it has written each chunk, and compares whole seconds. */
  async placesAt(
    queues: readonly string[],
    timeMs: number,
    signal: AbortSignal,
  ): Promise<readonly Place[]> {
    const second = Math.max(0, Math.floor(timeMs / 1000));
    return (await this.#look(queues, second, signal)).map((found) => {
      const at = found.at.find((message) => !isGenesis(message));
      return at === undefined ? boundsOf(found).end : placeOf(at);
    });
  }

  #look(
    queues: readonly string[],
    second: number | undefined,
    signal: AbortSignal,
  ): Promise<readonly EndsFound[]> {
    return readEnds(
      this.#links.consume(),
      'look for the ends of a topic',
      queues.map((queue) => ({ queue, first: true, second })),
      (queue) => this.#mend(queue, signal),
      signal,
    );
  }
}

/**
 * Every segment of a stream but the first begins with an entry of the broker's own that no reader gets. Who has read
 * the last record before it stands at that entry, and has lost nothing when what is before it is dropped.
 */
function boundsOf({ first, last }: EndsFound): Bounds {
  const final = last.at(-1);
  const end =
    final === undefined
      ? { offset: 0, time: 0 }
      : { ...placeOf(final), offset: offsetOf(final) + 1 };
  const record = first.find((message) => !isGenesis(message));
  if (record === undefined) {
    const begin = Math.max(-1, ...first.map(offsetOf)) + 1;
    return { first: { offset: begin, time: 0 }, end };
  }
  const { offset, time } = placeOf(record);
  return { first: { offset: first[0] === record ? Math.max(0, offset - 1) : offset, time }, end };
}

function placeOf(message: AmqpMessage): Place {
  return { offset: offsetOf(message), time: writtenAt(message) ?? 0 };
}
