import { BusError } from './errors.ts';
import type { Place } from './driver.ts';
import type { Receipt } from './publish-options.ts';

/** A position taken apart. */
export interface ParsedPosition {
  readonly incarnation: string;
  readonly partition: number;
  readonly place: Place;
}

/** A place in one partition of one data bus topic as text, for storing: `v1.<incarnation>.<partition>.<offset>[-<time>]`. */
export function formatPosition(
  incarnation: string,
  partition: number,
  place: Place,
  needsTime: boolean,
): string {
  const native = needsTime ? `${place.offset}-${place.time}` : `${place.offset}`;
  return `v1.${incarnation}.${partition}.${native}`;
}

const form =
  /^v1\.([A-Za-z0-9_-]{1,80})\.(0|[1-9]\d{0,9})\.(0|[1-9]\d{0,15})(?:-(0|[1-9]\d{0,15}))?$/;

/** @throws BusError DUOBUS_INVALID for what is not a position, or of a version this code does not know. */
export function parsePosition(text: unknown): ParsedPosition {
  const match = typeof text === 'string' ? form.exec(text) : null;
  if (match === null) throw notAPosition(text);
  const [, incarnation, partition, offset, time] = match;
  const place = { offset: Number(offset), time: Number(time ?? 0) };
  if (!Number.isSafeInteger(place.offset) || !Number.isSafeInteger(place.time))
    throw notAPosition(text);
  return { incarnation: incarnation as string, partition: Number(partition), place };
}

function notAPosition(text: unknown): BusError {
  if (typeof text !== 'string') {
    return new BusError(
      'DUOBUS_INVALID',
      `a position must be a string, got ${text === null ? 'null' : typeof text}`,
    );
  }
  const version = /^v(\d+)\./.exec(text)?.[1];
  if (version !== undefined && version !== '1') {
    const message = `'${text.slice(0, 120)}' is a position of version ${version}, this version of duobus reads 1: upgrade this process`;
    return new BusError('DUOBUS_INVALID', message);
  }
  const message = `'${text.slice(0, 120)}' is not a position: take it from delivery.position, read, pointers or a receipt`;
  return new BusError('DUOBUS_INVALID', message);
}

/** Order of two positions in one partition: negative where `a` is before `b`, 0 where they are the same place.
 *  @throws TypeError for positions of two partitions or topics, which have no order
 *  @throws BusError DUOBUS_INVALID for what is not a position */
export function comparePositions(a: string, b: string): number {
  const left = parsePosition(a);
  const right = parsePosition(b);
  if (left.incarnation !== right.incarnation) {
    throw new TypeError(
      `positions '${a}' and '${b}' are of two topics, or of a topic deleted and made anew: they have no order`,
    );
  }
  if (left.partition !== right.partition) {
    throw new TypeError(
      `positions '${a}' and '${b}' are of partitions ${left.partition} and ${right.partition}: there is no order between partitions`,
    );
  }
  return left.place.offset - right.place.offset;
}

/** @throws BusError DUOBUS_INVALID unless it is a receipt of a publish to that topic, in a version this code knows. */
export function checkReceipt(receipt: unknown, topic: string): Receipt {
  if (typeof receipt !== 'object' || receipt === null) {
    throw new BusError(
      'DUOBUS_INVALID',
      `a receipt must be what publish resolved to, got ${receipt === null ? 'null' : typeof receipt}`,
    );
  }
  const { v, topic: of, id, partition, time, position } = receipt as Record<string, unknown>;
  if (v !== 1) {
    const message =
      typeof v === 'number'
        ? `the receipt is of version ${v}, this version of duobus reads 1: upgrade this process`
        : 'this is not a receipt: it has no version. Pass what publish resolved to';
    throw new BusError('DUOBUS_INVALID', message);
  }
  const sound =
    typeof of === 'string' &&
    typeof id === 'string' &&
    id !== '' &&
    Number.isSafeInteger(partition) &&
    (partition as number) >= 0 &&
    typeof time === 'number' &&
    Number.isFinite(time);
  if (!sound)
    throw new BusError(
      'DUOBUS_INVALID',
      'the receipt is incomplete: it needs topic, id, partition and time, as publish resolved to',
    );
  if (of !== topic) {
    throw new BusError('DUOBUS_INVALID', `the receipt is of topic '${of}', not of '${topic}'`);
  }
  if (position !== undefined && parsePosition(position).partition !== partition) {
    throw new BusError(
      'DUOBUS_INVALID',
      `the receipt's position '${String(position).slice(0, 120)}' is not in its partition ${String(partition)}`,
    );
  }
  return receipt as Receipt;
}
