import type { WaitOptions } from '../data-bus.ts';
import type { LogDriver, Place, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import { checkReceipt, parsePosition } from '../position.ts';
import type { Receipt } from '../publish-options.ts';
import type { Context } from './context.ts';
import type { Half } from './half.ts';
import { storedPointers } from './lag.ts';
import type { LogDeadLetters } from './log-dead-letters.ts';
import type { LogFeed } from './log-feed.ts';
import { decodePointer, type Pointer } from './pointer.ts';
import { findRecord } from './history.ts';

interface Waiting {
  readonly half: Half<LogDriver>;
  readonly context: Context;
  readonly topic: StoredTopic;
  readonly group: string;
  readonly receipt: Receipt;
  readonly options: WaitOptions;
  readonly feeds: ReadonlySet<LogFeed>;
  readonly letters: LogDeadLetters;
}

const firstLookMs = 5;
const longestLookMs = 250;

/** D11: waits until a group's stored pointer is past a document. */
export async function waitForGroup(
  waiting: Waiting,
): Promise<{ readonly outcome: 'done' | 'dead' }> {
  const { half, context, topic, group, feeds, options } = waiting;
  const receipt = checkReceipt(waiting.receipt, topic.name);
  const { timeoutMs = 30_000 } = options;
  const stop = new AbortController();
  const cancel = context.timers.after(timeoutMs, () =>
    stop.abort(
      new BusError(
        'DUOBUS_TIMEOUT',
        `group '${group}' has not finished with document '${receipt.id}' within ${timeoutMs} ms: see lag() and health()`,
        { retryable: true, context: { topic: topic.name, group, id: receipt.id } },
      ),
    ),
  );
  const signal = AbortSignal.any([
    stop.signal,
    context.closed,
    ...(options.signal === undefined ? [] : [options.signal]),
  ]);
  for (const feed of feeds) feed.watchers += 1;
  const look = async (): Promise<Pointer | undefined> => {
    const stored = (await storedPointers(half, topic, group, signal))[receipt.partition];
    return stored === undefined ? undefined : decodePointer(stored, topic.partitions);
  };
  try {
    // Finding the document takes a while, and a reset meanwhile is one that it was waited for.
    let epoch = receipt.position === undefined ? (await look())?.epoch : undefined;
    const place =
      receipt.position === undefined
        ? await findRecord(half, topic, receipt, context.options.maxClockSkewMs ?? 60_000, signal)
        : placeOf(receipt.position, topic);
    for (let lookMs = firstLookMs; ; lookMs = Math.min(lookMs * 2, longestLookMs)) {
      signal.throwIfAborted();
      for (const feed of feeds) feed.writeSoon();
      const pointer = await look();
      epoch ??= pointer?.epoch;
      if (pointer !== undefined && pointer.epoch !== epoch)
        throw new BusError(
          'DUOBUS_RESET',
          `group '${group}' was reset while document '${receipt.id}' was waited for: wait again if it is to be handled again`,
          { context: { topic: topic.name, group } },
        );
      if (
        pointer !== undefined &&
        (pointer.next.offset > place.offset || pointer.done.has(place.offset))
      ) {
        return {
          outcome: (await waiting.letters.isDead(receipt.partition, place.offset, pointer.epoch))
            ? 'dead'
            : 'done',
        };
      }
      const [bounds] = (
        await half.link.request((inner) => half.driver.bounds(topic, inner), { signal })
      ).slice(receipt.partition);
      if (bounds !== undefined && place.offset < bounds.first.offset)
        throw new BusError(
          'DUOBUS_POSITION_GONE',
          `document '${receipt.id}' was removed by retention before group '${group}' had handled it`,
          { context: { topic: topic.name, group } },
        );
      await context.timers.sleep(lookMs, signal);
    }
  } finally {
    cancel();
    for (const feed of feeds) feed.watchers -= 1;
  }
}

function placeOf(position: string, topic: StoredTopic): Place {
  const { incarnation, place } = parsePosition(position);
  if (incarnation === topic.incarnation) return place;
  throw new BusError(
    'DUOBUS_INVALID',
    `the receipt is of an earlier topic '${topic.name}' that was deleted`,
    { context: { topic: topic.name } },
  );
}
