import type { From, Positions } from '../data-bus.ts';
import type { Bounds, LogDriver, Place, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import { checkOptions } from '../internal/check-options.ts';
import { parsePosition } from '../position.ts';
import type { Link } from './link.ts';

/** A `From` whose shape has been checked. */
export type Start =
  | 'earliest'
  | 'latest'
  | { readonly timeMs: number }
  | { readonly places: ReadonlyMap<number, Place> };

/** @throws TypeError for a wrong shape; BusError DUOBUS_INVALID for positions of another topic. */
export function checkFrom(call: string, from: From, topic: StoredTopic): Start {
  if (from === 'earliest' || from === 'latest') return from;
  if (typeof from === 'object' && from !== null) {
    const { time, positions } = checkOptions(call, from, ['time', 'positions']);
    if (time !== undefined && positions !== undefined)
      throw new TypeError(`${call}: give either time or positions, not both`);
    if ('time' in from) return { timeMs: checkTime(call, from.time) };
    if ('positions' in from) return { places: checkPositions(call, from.positions, topic) };
  }
  throw new TypeError(
    `${call}: a start is 'earliest', 'latest', { time } or { positions }, got ${typeof from === 'string' ? `'${String(from)}'` : String(from)}`,
  );
}

/** Ms since 1970 of a number, Date or ISO 8601 string. */
export function checkTime(call: string, time: unknown): number {
  const ms =
    time instanceof Date ? time.getTime() : typeof time === 'string' ? Date.parse(time) : time;
  if (typeof ms === 'number' && Number.isFinite(ms) && ms >= 0) return Math.floor(ms);
  throw new TypeError(
    `${call}: a time is ms since 1970, a Date or an ISO 8601 string, got ${String(time)}`,
  );
}

export function checkPositions(
  call: string,
  positions: Positions,
  topic: StoredTopic,
): ReadonlyMap<number, Place> {
  if (typeof positions !== 'object' || positions === null)
    throw new TypeError(`${call}: positions must be an object of partition number to position`);
  const places = new Map<number, Place>();
  for (const [key, text] of Object.entries(positions)) {
    const { incarnation, partition, place } = parsePosition(text);
    if (incarnation !== topic.incarnation) {
      throw new BusError(
        'DUOBUS_INVALID',
        `${call}: position '${text}' is of another topic, or of an earlier topic '${topic.name}' that was deleted: take one from this topic`,
        { context: { topic: topic.name } },
      );
    }
    if (String(partition) !== key || partition >= topic.partitions) {
      throw new BusError(
        'DUOBUS_INVALID',
        `${call}: position '${text}' of partition ${partition} is given for partition ${key} of topic '${topic.name}', which has ${topic.partitions}`,
        { context: { topic: topic.name } },
      );
    }
    places.set(partition, place);
  }
  return places;
}

/** One concrete place per partition; none for partitions that positions do not name.
 *  @throws BusError DUOBUS_POSITION_GONE for a position that is trimmed or beyond the end. */
export async function placesOf(
  call: string,
  start: Start,
  topic: StoredTopic,
  bounds: readonly Bounds[],
  link: Link,
  driver: LogDriver,
  signal?: AbortSignal,
): Promise<ReadonlyMap<number, Place>> {
  if (start === 'earliest')
    return new Map(bounds.map(({ first }, partition) => [partition, first]));
  if (start === 'latest') return new Map(bounds.map(({ end }, partition) => [partition, end]));
  if ('timeMs' in start) {
    const places = await link.request((inner) => driver.placesAt(topic, start.timeMs, inner), {
      signal,
    });
    return new Map(places.map((place, partition) => [partition, place]));
  }
  for (const [partition, place] of start.places) {
    const { first, end } = bounds[partition] as Bounds;
    if (place.offset < first.offset) throw gone(call, topic, partition, 'retention has removed it');
    if (place.offset > end.offset) throw gone(call, topic, partition, 'it is beyond the end');
  }
  return start.places;
}

function gone(call: string, topic: StoredTopic, partition: number, why: string): BusError {
  return new BusError(
    'DUOBUS_POSITION_GONE',
    `${call}: the position given for partition ${partition} of topic '${topic.name}' cannot be used: ${why}. Choose 'earliest', a time, or a position that is kept`,
    { context: { topic: topic.name, partition } },
  );
}
