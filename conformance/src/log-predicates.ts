import { comparePositions } from '@duobus/core';
import { Fault } from './fault.ts';
import type { DeliverOp, History, Op, PublishOp } from './history.ts';
import type { Predicate } from './predicates.ts';

export const partitionOf = (position: string): string => position.split('.').slice(0, 3).join('.');

/** One position is one document, and a document published once has one position (Jepsen: inconsistent-offsets, duplicate). */
export const onePlaceEach: Predicate = (history) => {
  const faults: Fault[] = [];
  const placed = new Map<string, PublishOp | DeliverOp>();
  const places = new Map<string, Set<string>>();
  const tries = new Map<string, number>();
  const mine = (id: string): Op[] => history.ops.filter((op) => 'id' in op && op.id === id);
  const note = (op: PublishOp | DeliverOp): void => {
    const { topic, id, position } = op;
    if (position === undefined) return;
    const other = placed.get(position);
    if (other !== undefined && other.id !== id)
      faults.push(
        new Fault(`${topic}: position ${position} is document ${other.id} and document ${id}`, [
          other,
          op,
        ]),
      );
    placed.set(position, op);
    places.set(id, (places.get(id) ?? new Set()).add(position));
  };
  for (const op of history.of('publish')) {
    tries.set(op.id, (tries.get(op.id) ?? 0) + 1);
    note(op);
  }
  for (const op of history.of('deliver')) note(op);
  for (const [id, positions] of places) {
    if (positions.size > (tries.get(id) ?? 0))
      faults.push(
        new Fault(
          `document ${id} is stored ${positions.size} times: ${[...positions].join(', ')}`,
          mine(id),
        ),
      );
  }
  return faults;
};

/** After a reset the first document of every moved partition is the first at or after its target; the old epoch is over.
 *  Where another reset has ended the new epoch too, what waited for a handler of its key was never handed out: there what
 *  came of a key begins with the first of that key. */
export const resetExact: Predicate = (history) =>
  history.of('reset').flatMap((reset) => {
    if (reset.type !== 'ok') return [];
    const mine = history
      .of('deliver')
      .filter(({ topic, name }) => topic === reset.topic && name === reset.name);
    // One that was called before and goes on may come after it.
    const others = history
      .of('reset')
      .filter(
        (other) =>
          (other.begun > reset.begun || other.ended > reset.ended) &&
          other.type !== 'fail' &&
          other.name === reset.name &&
          other.topic === reset.topic,
      );
    const until = Math.min(...others.map(({ begun }) => begun));
    return reset.targets.flatMap((target) => exact(history, mine, target, reset, until));
  });

function exact(
  history: History,
  deliveries: readonly DeliverOp[],
  target: string,
  reset: Op,
  until: number,
): Fault[] {
  const from = reset.ended;
  const here = deliveries.filter(
    ({ position }) => position !== undefined && partitionOf(position) === partitionOf(target),
  );
  const old = Math.max(-1, ...here.filter(({ begun }) => begun < from).map(({ epoch }) => epoch));
  const after = here.filter(({ begun }) => begun > from && begun < until);
  const stale = after.find(({ epoch }) => epoch < Math.max(...after.map((op) => op.epoch)));
  if (stale !== undefined)
    return [
      new Fault(
        `document ${stale.n} was handed out in epoch ${stale.epoch} after the reset had resolved`,
        [reset, stale],
      ),
    ];
  const [first] = after;
  if (first === undefined) return [];
  // The new epoch may have begun to hand out a moment before the call of reset resolved.
  const epoch = here.filter(
    (op) => op.epoch === first.epoch && op.epoch > old - 1 && op.begun < until,
  );
  const keys = keysOf(history);
  const lineOf = (position: string): string | undefined =>
    until === Infinity ? undefined : keys.get(position);
  const came = epoch.map(({ position }) => position as string).toSorted(comparePositions);
  const due = positionsOf(history, target).filter(
    (position) => comparePositions(position, target) >= 0,
  );
  const [earliest] = due;
  if (earliest === undefined) return [];
  const seen = new Set<string | undefined>();
  for (const lowest of came) {
    const line = lineOf(lowest);
    if (seen.has(line)) continue;
    seen.add(line);
    const wanted = due.find((position) => lineOf(position) === line) ?? earliest;
    if (lowest !== wanted)
      return [
        new Fault(`after the reset to ${target} the first delivery is ${lowest}, not ${wanted}`, [
          ...placedAt(history, wanted),
          reset,
          ...epoch.filter(({ position }) => position === lowest),
        ]),
      ];
  }
  return [];
}

/** What first told that there is a document: its publish, where the confirm has the position. */
function placedAt(history: History, position: string): Op[] {
  const told = [...history.of('publish'), ...history.of('deliver')];
  return told.filter((op) => op.position === position).slice(0, 1);
}

/** Positions known to hold a document, of the partition of `like`, in order. */
export function positionsOf(history: History, like: string): string[] {
  const known = [...history.of('publish'), ...history.of('deliver')]
    .map(({ position }) => position)
    .filter((position) => position !== undefined);
  return [
    ...new Set(known.filter((position) => partitionOf(position) === partitionOf(like))),
  ].toSorted(comparePositions);
}

/** Between the first and the last document that a group was given in an epoch, none is missing (Jepsen: poll-skip). Where
 *  a reset has ended the epoch, what waited for others of its key was never handed out. */
export const noSkips: Predicate = (history) => {
  const faults: Fault[] = [];
  const epochs = new Map<string, DeliverOp[]>();
  const trimmed = new Set(history.of('trimmed').map((op) => `${op.topic}/${op.name}`));
  for (const op of history.of('deliver')) {
    if (op.position === undefined || trimmed.has(`${op.topic}/${op.name}`)) continue;
    const key = `${op.topic}/${op.name}/${op.epoch}/${partitionOf(op.position)}`;
    epochs.set(key, [...(epochs.get(key) ?? []), op]);
  }
  for (const [key, deliveries] of epochs) {
    const seen = new Set(deliveries.map(({ position }) => position));
    const sorted = deliveries.map(({ position }) => position as string).toSorted(comparePositions);
    const [low, high] = [sorted[0] as string, sorted.at(-1) as string];
    const next = (position: string): string | undefined =>
      sorted.find((other) => comparePositions(other, position) > 0);
    const passed = wasEnded(history, deliveries) ? endsOfKeys(history, deliveries) : undefined;
    for (const position of positionsOf(history, low)) {
      const end = passed === undefined ? high : passed(position);
      const within = comparePositions(position, low) > 0 && comparePositions(position, end) < 0;
      if (within && !seen.has(position))
        faults.push(
          new Fault(`${key}: ${position} was skipped between ${low} and ${end}`, [
            ...placedAt(history, position),
            ...deliveries.filter((op) => op.position === next(position)),
          ]),
        );
    }
  }
  return faults;
};

function wasEnded(history: History, [first]: readonly DeliverOp[]): boolean {
  return history
    .of('reset')
    .some(
      ({ topic, name, type, ended }) =>
        topic === first?.topic && name === first.name && type !== 'fail' && ended > first.begun,
    );
}

/** The keys of the documents at the places that are known. */
function keysOf(history: History): Map<string, string> {
  const keys = new Map<string, string>();
  for (const { position, key } of [...history.of('publish'), ...history.of('deliver')])
    if (position !== undefined && key !== undefined) keys.set(position, key);
  return keys;
}

/** The last place that was handed out of the key that a place has. */
function endsOfKeys(
  history: History,
  deliveries: readonly DeliverOp[],
): (position: string) => string {
  const keys = keysOf(history);
  const ends = new Map<string, string>();
  for (const { position, key } of deliveries) {
    if (position === undefined || key === undefined) continue;
    const end = ends.get(key);
    if (end === undefined || comparePositions(end, position) < 0) ends.set(key, position);
  }
  return (position) => ends.get(keys.get(position) ?? '') ?? position;
}

/** Two readings of a partition from one position give the same, in the same order, as far as both go (D7). */
export function sameSequence(a: readonly DeliverOp[], b: readonly DeliverOp[]): string[] {
  const faults: string[] = [];
  const split = (ops: readonly DeliverOp[]): Map<number, DeliverOp[]> => {
    const parts = new Map<number, DeliverOp[]>();
    for (const op of ops) parts.set(op.partition, [...(parts.get(op.partition) ?? []), op]);
    return parts;
  };
  const [left, right] = [split(a), split(b)];
  for (const partition of new Set([...left.keys(), ...right.keys()])) {
    const [one, two] = [left.get(partition) ?? [], right.get(partition) ?? []];
    if (one.length !== two.length)
      faults.push(
        `partition ${partition}: ${one.length} documents in one reading, ${two.length} in the other`,
      );
    for (const [index, op] of one.entries()) {
      const other = two[index];
      if (other === undefined) break;
      if (op.position !== other.position || op.id !== other.id || op.digest !== other.digest) {
        faults.push(
          `partition ${partition}, ${index + 1}. document: ${op.position} ${op.digest} in one reading, ${other.position} ${other.digest} in the other`,
        );
      }
    }
  }
  return faults;
}
