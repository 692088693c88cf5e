import { comparePositions } from '@duobus/core';
import { Fault } from './fault.ts';
import {
  type DeliverOp,
  type History,
  type LookOp,
  type Op,
  type ResetOp,
  sameAs,
} from './history.ts';
import { partitionOf, positionsOf } from './log-predicates.ts';
import type { Predicate } from './predicates.ts';

/** Resets that have moved the group, or may have. */
function movesOf(history: History, group: Parameters<typeof sameAs>[0]): ResetOp[] {
  return history.of('reset').filter((op) => sameAs(group)(op) && op.type !== 'fail');
}

/** Whether a reset may have moved the group somewhere between two moments: one that failed may move it later. */
function movedBetween(
  history: History,
  group: Parameters<typeof sameAs>[0],
  from: number,
  to: number,
): boolean {
  return movesOf(history, group).some(
    ({ begun, ended, type }) => begun < to && (ended > from || type === 'info'),
  );
}

/** Within an epoch the documents of a key come first in the order of their places (3c: D1; that none is missing, noSkips). */
export const inPlaceOrder: Predicate = (history) => {
  const lanes = new Map<string, DeliverOp>();
  const seen = new Set<string>();
  return history.of('deliver').flatMap((op) => {
    if (op.position === undefined || op.key === undefined || op.cause === 'redrive') return [];
    const stream = `${op.topic}/${op.name}/${op.epoch}`;
    if (seen.has(`${stream}/${op.position}`)) return [];
    seen.add(`${stream}/${op.position}`);
    const lane = `${stream}/${partitionOf(op.position)}/${op.key}`;
    const last = lanes.get(lane);
    lanes.set(lane, op);
    return last?.position === undefined || comparePositions(last.position, op.position) < 0
      ? []
      : [
          new Fault(
            `${op.topic}/${op.name}: document ${op.n} at ${op.position} came after document ${last.n} at ${last.position}`,
            [last, op],
          ),
        ];
  });
};

/** What was at a place, and who found it there. */
interface Found {
  readonly position: string | undefined;
  readonly id: string;
  readonly whole: string;
  readonly op: Op;
}

/** What is at a place is the same for whoever reads it, and whenever (3c: D3; that none is left out, noSkips). */
export const replaysAlike: Predicate = (history) => {
  const found = new Map<string, Found>();
  const read: readonly Found[] = [
    ...history.of('deliver').map((op) => ({ ...op, op })),
    ...history.of('read').flatMap((op) => op.entries.map((entry) => ({ ...entry, op }))),
  ];
  return read.flatMap((one) => {
    const { position, id, whole, op } = one;
    if (position === undefined) return [];
    const before = found.get(position);
    found.set(position, before ?? one);
    return before === undefined || (before.id === id && before.whole === whole)
      ? []
      : [
          new Fault(
            `${position} is document ${before.id} (${before.whole}) once and document ${id} (${whole}) another time`,
            [before.op, op],
          ),
        ];
  });
};

/** Only its own resets begin an epoch of a group or move its pointer back (3c: D4). */
export const ownPointer: Predicate = (history) => {
  const epochs = history.of('deliver').flatMap((op) => {
    const own = movesOf(history, op).filter(({ begun }) => begun < op.begun);
    return op.position === undefined || op.epoch <= own.length
      ? []
      : [
          new Fault(
            `${op.topic}/${op.name}: document ${op.n} came in epoch ${op.epoch} after ${own.length} resets of this group`,
            [...own, op],
          ),
        ];
  });
  const back = history.of('look').flatMap((look, index, looks) => {
    const before = looks
      .slice(0, index)
      .findLast((other) => sameAs(look)(other) && seenBefore(other, look));
    if (before === undefined || movedBetween(history, look, before.begun, look.ended)) return [];
    return fallenBack(before, look);
  });
  return [...epochs, ...back];
};

const seenBefore = (one: LookOp, other: LookOp): boolean =>
  one.type === 'ok' && other.type === 'ok' && one.ended < other.begun;

function fallenBack(before: LookOp, after: LookOp): Fault[] {
  return Object.entries(before.pointers).flatMap(([partition, position]) => {
    const now = after.pointers[Number(partition)];
    return now !== undefined && comparePositions(now, position) >= 0
      ? []
      : [
          new Fault(
            `${after.topic}/${after.name}: the pointer of partition ${partition} was at ${position} and is at ${now ?? 'none'}, without a reset`,
            [before, after],
          ),
        ];
  });
}

/** Reading takes nothing away: what was confirmed, delivered or read is read again, at its place (3c: D5). */
export const readingKeepsAll: Predicate = (history) => {
  const trimmed = new Set(history.of('trimmed').map(({ topic }) => topic));
  return history.of('read').flatMap((read) => {
    if (read.type !== 'ok' || trimmed.has(read.topic)) return [];
    const places = new Map(read.entries.map(({ id, position }) => [id, position]));
    const earlier = history
      .of('read')
      .filter(({ topic, ended }) => topic === read.topic && ended < read.begun)
      .flatMap((op) => op.entries.map((entry) => ({ ...entry, op })));
    const known = [
      ...history.of('publish').filter(({ type, ended }) => type === 'ok' && ended < read.begun),
      ...history.of('deliver').filter(({ begun }) => begun < read.begun),
    ]
      .filter(({ topic }) => topic === read.topic)
      .map((op) => ({ id: op.id, position: op.position, op }));
    const last = new Map([...known, ...earlier].map((one) => [one.id, one]));
    return [...last.values()].flatMap(({ id, position, op }) => {
      const now = places.get(id);
      return now !== undefined && (position === undefined || position === now)
        ? []
        : [
            new Fault(
              `${read.topic}: document ${id} of ${position ?? 'this topic'} is read at ${now ?? 'no place'}`,
              [op, read],
            ),
          ];
    });
  });
};

/** What lies below a stored pointer has been handled, and does not come again in its epoch (3c: D6). */
export const pointerTellsTheTruth: Predicate = (history) =>
  history.of('look').flatMap((look) => {
    if (look.type !== 'ok' || movedBetween(history, look, look.begun, look.ended)) return [];
    const mine = history.of('deliver').filter((op) => sameAs(look)(op) && op.cause !== 'redrive');
    const until = movesOf(history, look).find(({ begun }) => begun > look.ended)?.begun;
    return Object.values(look.pointers).flatMap((pointer) => {
      const here = mine.filter(
        ({ position }) => position !== undefined && partitionOf(position) === partitionOf(pointer),
      );
      const again = here.filter(
        ({ begun, position }) =>
          begun > look.ended &&
          begun < (until ?? Number.POSITIVE_INFINITY) &&
          comparePositions(position as string, pointer) < 0,
      );
      return [
        ...again.map(
          (op) =>
            new Fault(
              `${look.topic}/${look.name}: document ${op.n} came again, below the stored pointer ${pointer}`,
              [look, op],
            ),
        ),
        ...unhandledBelow(history, look, pointer, here),
      ];
    });
  });

function unhandledBelow(
  history: History,
  look: LookOp,
  pointer: string,
  deliveries: readonly DeliverOp[],
): Fault[] {
  const before = deliveries.filter(({ begun }) => begun < look.ended);
  const epoch = Math.max(...before.map((op) => op.epoch));
  const mine = before.filter((op) => op.epoch === epoch);
  const [first] = mine;
  // After a reset nothing of the new epoch may have come yet.
  if (first === undefined || movedBetween(history, look, first.begun, look.ended)) return [];
  const handled = new Set(
    mine
      .filter(({ type, ended }) => type !== 'info' && ended < look.ended)
      .map(({ position }) => position),
  );
  const start = mine
    .map(({ position }) => position as string)
    .toSorted(comparePositions)[0] as string;
  return positionsOf(history, pointer)
    .filter(
      (position) =>
        comparePositions(position, start) >= 0 && comparePositions(position, pointer) < 0,
    )
    .filter((position) => !handled.has(position))
    .map(
      (position) =>
        new Fault(
          `${look.topic}/${look.name}: the pointer is stored at ${pointer}, and ${position} has not been handled`,
          [...before.filter((op) => op.position === position), look],
        ),
    );
}

/** A refused reset says why with a code, and the group goes on where it was (3c: D7). */
export const refusedMovesNothing: Predicate = (history) =>
  history.of('reset').flatMap((reset) => {
    if (reset.type !== 'fail') return [];
    const who = `${reset.topic}/${reset.name}`;
    const untyped =
      reset.code === undefined
        ? [new Fault(`${who}: a reset was refused without a code`, [reset])]
        : [];
    const looks = history.of('look').filter(sameAs(reset));
    const before = looks.findLast(({ ended, type }) => type === 'ok' && ended < reset.begun);
    const after = looks.find(({ begun, type }) => type === 'ok' && begun > reset.ended);
    const from = before?.begun ?? reset.begun;
    if (movedBetween(history, reset, from, after?.ended ?? reset.ended)) return untyped;
    const moved = before === undefined || after === undefined ? [] : fallenBack(before, after);
    const next = movesOf(history, reset).find(({ begun }) => begun > reset.ended)?.begun;
    const mine = history.of('deliver').filter(sameAs(reset));
    const epoch = Math.max(
      0,
      ...mine.filter(({ begun }) => begun < reset.begun).map((op) => op.epoch),
    );
    const later = mine.filter(
      ({ begun }) => begun > reset.begun && begun < (next ?? Number.POSITIVE_INFINITY),
    );
    const begun = later.find(
      (op) => op.epoch > epoch && movesOf(history, op).every((move) => move.begun > reset.begun),
    );
    return [
      ...untyped,
      ...moved,
      ...(begun === undefined
        ? []
        : [new Fault(`${who}: epoch ${begun.epoch} began with a refused reset`, [reset, begun])]),
    ];
  });
