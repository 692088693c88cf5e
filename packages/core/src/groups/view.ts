import type { StoredPointer } from '../driver.ts';
import { BusError } from '../errors.ts';
import type { Cell } from './cells.ts';

/** A partition: its pointer, and whose it is. Whoever owns it is the only one that knows its cell's version to write. */
export interface PartitionCell {
  /** A member's or an edit's id; '' where nobody owns it. */
  readonly owner: string;
  /** Grows with every change of owner. */
  readonly token: number;
  readonly pointer: StoredPointer | undefined;
  /** What the edit that owns it will make of the pointer, if that is decided. */
  readonly next?: StoredPointer | undefined;
}

/** A change of pointers that waits, is being prepared, or is decided. */
export interface EditEntry {
  readonly id: string;
  /** Grows while its process lives. */
  readonly beat: number;
  readonly graceMs: number;
  /** All partitions are the edit's and hold what they get: whoever comes by finishes it. */
  readonly decided: boolean;
}

export interface Versioned<T> {
  readonly version: string;
  readonly value: T;
}

/** What a group's cells said at one look. */
export interface View {
  readonly members: ReadonlyMap<string, Versioned<number>>;
  readonly partitions: ReadonlyMap<number, Versioned<PartitionCell>>;
  readonly edits: Versioned<readonly EditEntry[]> | undefined;
}

const maxPointerBytes = 3_072;

export const editsKey = 'edits';
/** Where a member shows that it lives. A broker that sees a connection end may delete it: others take over at once then. */
export const memberKey = (id: string): string => `member/${id}`;
export const partitionKey = (partition: number): string => `partition/${partition}`;

export function readView(cells: readonly Cell[]): View {
  const members = new Map<string, Versioned<number>>();
  const partitions = new Map<number, Versioned<PartitionCell>>();
  let edits: Versioned<readonly EditEntry[]> | undefined;
  for (const { key, value, version } of cells) {
    if (key === editsKey) edits = { version, value: decodeEdits(value) };
    else if (key.startsWith('member/'))
      members.set(key.slice('member/'.length), { version, value: decodeMember(value) });
    else if (key.startsWith('partition/'))
      partitions.set(Number(key.slice('partition/'.length)), {
        version,
        value: decodePartition(value),
      });
  }
  return { members, partitions, edits };
}

/** Whether a group exists: some partition has a pointer. */
export function hasPointers(cells: readonly Cell[]): boolean {
  for (const { value } of readView(cells).partitions.values())
    if (value.pointer !== undefined) return true;
  return false;
}

export function encodeMember(beat: number): string {
  return JSON.stringify({ v: 1, b: beat });
}

export function encodePartition({ owner, token, pointer, next }: PartitionCell): string {
  return JSON.stringify({
    v: 1,
    ...(owner === '' ? {} : { o: owner }),
    t: token,
    ...(pointer === undefined ? {} : { p: flat(pointer) }),
    ...(next === undefined ? {} : { n: flat(next) }),
  });
}

export function encodeEdits(edits: readonly EditEntry[]): string {
  return JSON.stringify({
    v: 1,
    e: edits.map(({ id, beat, graceMs, decided }) => [id, beat, graceMs, decided ? 1 : 0]),
  });
}

function decodeMember(value: string): number {
  return (parse(value) as { b: number }).b;
}

function decodePartition(value: string): PartitionCell {
  const { o = '', t, p, n } = parse(value) as { o?: string; t: number; p?: Flat; n?: Flat };
  const cell = { owner: o, token: t, pointer: p && pointerOf(p) };
  return n === undefined ? cell : { ...cell, next: pointerOf(n) };
}

type Flat = readonly [offset: number, time: number, text: string];

function flat({ place, text }: StoredPointer): Flat {
  const bytes = Buffer.byteLength(text);
  if (bytes > maxPointerBytes)
    throw new BusError(
      'DUOBUS_BUG',
      `a pointer has ${bytes} bytes, at most ${maxPointerBytes} are allowed`,
    );
  return [place.offset, place.time, text];
}

function pointerOf([offset, time, text]: Flat): StoredPointer {
  return { place: { offset, time }, text };
}

function decodeEdits(value: string): readonly EditEntry[] {
  const { e } = parse(value) as { e: readonly (readonly [string, number, number, number])[] };
  return e.map(([id, beat, graceMs, decided]) => ({ id, beat, graceMs, decided: decided === 1 }));
}

/** @throws BusError DUOBUS_DECODE for a version this code does not know. */
function parse(value: string): unknown {
  let raw: { readonly v?: unknown } | null;
  try {
    raw = JSON.parse(value) as typeof raw;
  } catch (cause) {
    throw new BusError(
      'DUOBUS_DECODE',
      'a cell of a group is not JSON: was it written by something else than duobus?',
      { cause },
    );
  }
  if (raw?.v === 1) return raw;
  throw new BusError(
    'DUOBUS_DECODE',
    `a cell of a group has version ${String(raw?.v)}, this version of duobus reads 1: upgrade this process`,
  );
}
