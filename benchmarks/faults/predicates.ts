import { groupBy } from './group-by.ts';
import type { Life, Published, Sighting } from './sighting.ts';

/** What must not be in a history. All functions here are pure and take sightings in any order. */
export interface Violation {
  readonly id: string;
  readonly what: string;
}

/** Stored documents that no handler has finished. */
export function lost(
  published: readonly Published[],
  sightings: readonly Sighting[],
): readonly Violation[] {
  const handled = new Set<string>();
  for (const { id, endedMs } of sightings) if (endedMs !== undefined) handled.add(id);
  return published
    .filter(({ id, status }) => status === 'stored' && !handled.has(id))
    .map(({ id, key, seq }) => ({ id, what: `${key}/${seq} was stored and never handled` }));
}

/** Sights after the first that say they were the first (design: E12). */
export function causeless(sightings: readonly Sighting[]): readonly Violation[] {
  const violations: Violation[] = [];
  for (const [id, sights] of byId(sightings)) {
    for (const later of sights.slice(1)) {
      if (later.cause !== 'first' && later.redelivered) continue;
      violations.push({
        id,
        what: `${nameOf(later)} again in ${later.process} with cause ${later.cause}, redelivered ${later.redelivered}`,
      });
    }
  }
  return violations;
}

/**
 * Order by key (design: C12), over all processes: nothing begins before everything stored before it has been
 * handled, nothing of a key overlaps, and no process goes back in a key but after one of `breaks` (times at which it
 * lost its connection) or another process's turn.
 */
export function disorder(
  published: readonly Published[],
  sightings: readonly Sighting[],
  lives: readonly Life[],
  breaks: readonly number[] = [],
): readonly Violation[] {
  const ends = endsOf(lives);
  const known = new Map<string, Set<number>>();
  for (const { key, seq, status } of published)
    if (status === 'stored') seqsOf(known, key).add(seq);
  for (const { key, seq } of sightings) seqsOf(known, key).add(seq);
  const violations: Violation[] = [];
  for (const [key, sights] of byKey(sightings)) {
    const seqs = [...seqsOf(known, key)].toSorted((a, b) => a - b);
    violations.push(...disorderOfKey(seqs, sights, ends, breaks));
  }
  return violations;
}

function disorderOfKey(
  seqs: readonly number[],
  sights: readonly Sighting[],
  ends: ReadonlyMap<string, number>,
  breaks: readonly number[],
): readonly Violation[] {
  const violations: Violation[] = [];
  const firstEnd = new Map<number, number>();
  for (const { seq, endedMs } of sights)
    if (endedMs !== undefined)
      firstEnd.set(seq, Math.min(endedMs, firstEnd.get(seq) ?? Number.POSITIVE_INFINITY));
  let low = 0;
  let previous: Sighting | undefined;
  for (const sight of sights) {
    const isHandled = (seq: number | undefined): boolean =>
      seq !== undefined && (firstEnd.get(seq) ?? Number.POSITIVE_INFINITY) <= sight.beganMs;
    while (isHandled(seqs[low])) low += 1;
    const missing = seqs[low];
    if (missing !== undefined && missing < sight.seq)
      violations.push({
        id: sight.id,
        what: `${nameOf(sight)} began while ${missing} was not handled`,
      });
    if (previous !== undefined) {
      const until = previous.endedMs ?? ends.get(previous.process) ?? Number.POSITIVE_INFINITY;
      if (until > sight.beganMs && !isOverAt(previous, sight.beganMs, ends))
        violations.push({
          id: sight.id,
          what: `${nameOf(sight)} began in ${sight.process} while ${nameOf(previous)} ran in ${previous.process}`,
        });
      if (goesBack(previous, sight, breaks))
        violations.push({
          id: sight.id,
          what: `${nameOf(sight)} came after ${nameOf(previous)} in one process`,
        });
    }
    previous = sight;
  }
  return violations;
}

function goesBack(before: Sighting, after: Sighting, breaks: readonly number[]): boolean {
  if (before.process !== after.process || after.seq > before.seq) return false;
  if (after.seq === before.seq && after.attempt > before.attempt) return false;
  return !breaks.some((ms) => ms >= before.beganMs - breakSlackMs && ms <= after.beganMs);
}

/** A connection may have been lost shortly after what was begun under it was handed out. */
const breakSlackMs = 1_000;

function isOverAt(sight: Sighting, ms: number, ends: ReadonlyMap<string, number>): boolean {
  return (ends.get(sight.process) ?? Number.POSITIVE_INFINITY) <= ms;
}

/**
 * Repeats that design D4 does not allow: a document comes again only if the process that had it was killed before the
 * pointer was written, that is in mid-handling or at most `writtenWithinMs` after it had handled it.
 */
export function unexplainedRepeats(
  sightings: readonly Sighting[],
  lives: readonly Life[],
  writtenWithinMs: number,
): readonly Violation[] {
  const killed = new Map<string, number>();
  for (const { process, endMs, how } of lives)
    if (how === 'killed' && endMs !== undefined) killed.set(process, endMs);
  const violations: Violation[] = [];
  for (const [id, sights] of byId(sightings)) {
    sights.forEach((later, at) => {
      const before = sights[at - 1];
      if (before === undefined || later.attempt > before.attempt) return;
      const diedMs = killed.get(before.process);
      const openMs = diedMs === undefined ? undefined : diedMs - (before.endedMs ?? diedMs);
      if (openMs !== undefined && openMs <= writtenWithinMs) return;
      const why =
        openMs === undefined
          ? `${before.process} was not killed`
          : `${before.process} was killed only ${openMs.toFixed(0)} ms after handling it`;
      violations.push({
        id,
        what: `${nameOf(later)} again in ${later.process} (cause ${later.cause}), though ${why}`,
      });
    });
  }
  return violations;
}

/** A time in which documents may come again, and why. */
export interface Disturbance {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Repeats of what was neither under way in one of the times nor handled up to `openMs` before it. */
export function repeatsApartFrom(
  sightings: readonly Sighting[],
  disturbances: readonly Disturbance[],
  openMs: number,
): readonly Violation[] {
  const violations: Violation[] = [];
  for (const [id, sights] of byId(sightings)) {
    sights.forEach((later, at) => {
      const before = sights[at - 1];
      if (before === undefined) return;
      const endedMs = before.endedMs ?? Number.POSITIVE_INFINITY;
      const isOpen = disturbances.some(
        ({ fromMs, toMs }) => endedMs >= fromMs - openMs && before.beganMs <= toMs,
      );
      if (!isOpen)
        violations.push({ id, what: `${nameOf(later)} again (cause ${later.cause}) out of calm` });
    });
  }
  return violations;
}

/** Sights of documents that an earlier sight had begun. */
export function repeats(sightings: readonly Sighting[]): readonly Sighting[] {
  return [...byId(sightings).values()].flatMap((sights) => sights.slice(1));
}

export interface Standstill {
  readonly partition: number;
  readonly fromMs: number;
  readonly ms: number;
}

/** Where nothing of a partition began for longer than `longerThanMs`, between two times. */
export function standstills(
  sightings: readonly Sighting[],
  partitions: number,
  fromMs: number,
  toMs: number,
  longerThanMs: number,
): readonly Standstill[] {
  const found: Standstill[] = [];
  for (let partition = 0; partition < partitions; partition += 1) {
    const times = sightings
      .filter((sight) => sight.partition === partition)
      .map(({ beganMs }) => beganMs)
      .filter((ms) => ms > fromMs && ms < toMs)
      .toSorted((a, b) => a - b);
    let last = fromMs;
    for (const time of [...times, toMs]) {
      if (time - last > longerThanMs) found.push({ partition, fromMs: last, ms: time - last });
      last = time;
    }
  }
  return found.toSorted((a, b) => a.fromMs - b.fromMs);
}

function nameOf({ key, seq }: Sighting): string {
  return `${key}/${seq}`;
}

function endsOf(lives: readonly Life[]): ReadonlyMap<string, number> {
  const ends = new Map<string, number>();
  for (const { process, endMs, how } of lives)
    if (how === 'killed' && endMs !== undefined) ends.set(process, endMs);
  return ends;
}

function seqsOf(known: Map<string, Set<number>>, key: string): Set<number> {
  const seqs = known.get(key) ?? new Set<number>();
  known.set(key, seqs);
  return seqs;
}

function byId(sightings: readonly Sighting[]): Map<string, Sighting[]> {
  return groupBy(inTime(sightings), ({ id }) => id);
}

function byKey(sightings: readonly Sighting[]): Map<string, Sighting[]> {
  return groupBy(inTime(sightings), ({ key }) => key);
}

function inTime(sightings: readonly Sighting[]): readonly Sighting[] {
  return sightings.toSorted((a, b) => a.beganMs - b.beganMs);
}
