import { BusError, type Cell, type CellResult, type CellWrite } from '@duobus/core/driver';
import type { Fold } from './folded-stream.ts';
import type { Line } from './stream-line.ts';

export const cellsGenesisType = 'duobus.group.genesis';
export const cellsOpType = 'duobus.group.op';
export const cellsSnapshotType = 'duobus.group.snapshot';

/** Lines after which a snapshot is due, so that nobody has to read many. */
const snapshotLines = 200;
/** The same in bytes, unless the snapshot itself is larger. */
const snapshotBytes = 128 * 1024;

/** Where reading may begin if the last line is this one: some snapshots back, as one may be late. */
export function beginReading(last: number): 'first' | number {
  const from = last - 4 * snapshotLines;
  return from > 0 ? from : 'first';
}

/** What one line asks for: conditional writes, each on its own. No writes are a probe: what was before it is known. */
interface Op {
  readonly writes: readonly CellWrite[];
  /** Who watches is told. */
  readonly news: boolean;
}

type FlatWrite = readonly [key: string, value: string | null, ifVersion: string | null];

export function encodeOp(writes: readonly CellWrite[], news: boolean): string {
  const flat = writes.map<FlatWrite>(({ key, value, ifVersion }) => [
    key,
    value ?? null,
    ifVersion ?? null,
  ]);
  return JSON.stringify({ v: 1, w: flat, ...(news ? { n: 1 } : {}) });
}

interface Early {
  readonly from: number;
  readonly lines: Line[];
}

/**
 * The cells of a group, folded from its stream. A write counts if its cell has the version it names, at its place in the
 * stream; versions are places, so that every process comes to the same ones. Folding may begin anywhere from which a
 * snapshot is met that says what was before.
 */
export class CellsFold implements Fold {
  readonly #cells = new Map<string, Cell>();
  readonly #news: () => void;
  /** Lines read before a snapshot that goes back to the first of them; `undefined` once all is known. */
  #early: Early | undefined;
  #begun = false;
  #at = -1;
  #linesSince = 0;
  #bytesSince = 0;
  #snapshotSize = 0;

  constructor(news: () => void) {
    this.#news = news;
  }

  get complete(): boolean {
    return this.#begun && this.#early === undefined;
  }

  get all(): readonly Cell[] {
    return [...this.#cells.values()];
  }

  get(keys: readonly string[]): readonly Cell[] {
    return keys.flatMap((key) => this.#cells.get(key) ?? []);
  }

  get snapshotDue(): boolean {
    return (
      this.#linesSince >= snapshotLines ||
      this.#bytesSince >= Math.max(snapshotBytes, this.#snapshotSize)
    );
  }

  take(line: Line): void {
    if (!this.#begun) {
      this.#begun = true;
      if (line.offset > 0) this.#early = { from: line.offset, lines: [] };
    }
    if (this.#early !== undefined) this.#takeEarly(this.#early, line);
    else this.#takeNext(line);
    this.#at = line.offset;
  }

  /** What the writes of a line come to, before it is taken. */
  judge({ type, offset, body }: Line): readonly CellResult[] {
    if (type !== cellsOpType) return [];
    const cells = new Map(this.#cells);
    return decodeOp(body).writes.map((write, index) => apply(cells, write, offset, index));
  }

  /** Everything as it is after the last line taken. */
  snapshot(): string {
    const flat = this.all.map(({ key, value, version }) => [key, value, version]);
    return JSON.stringify({ v: 1, b: this.#at, c: flat });
  }

  #takeNext(line: Line): void {
    if (line.type === cellsSnapshotType) {
      this.#snapshotTaken(line);
      return;
    }
    if (line.type !== cellsOpType) return;
    this.#linesSince += 1;
    this.#bytesSince += line.body.length;
    const { writes, news } = decodeOp(line.body);
    for (const [index, write] of writes.entries()) apply(this.#cells, write, line.offset, index);
    if (news) this.#news();
  }

  #takeEarly(early: Early, line: Line): void {
    if (line.type === cellsOpType) early.lines.push(line);
    if (line.type !== cellsSnapshotType) return;
    const { base, cells } = decodeSnapshot(line.body);
    if (base < early.from - 1) return;
    this.#early = undefined;
    for (const cell of cells) this.#cells.set(cell.key, cell);
    for (const one of early.lines) if (one.offset > base) this.#takeNext(one);
    this.#snapshotTaken(line);
  }

  #snapshotTaken({ body }: Line): void {
    this.#linesSince = 0;
    this.#bytesSince = 0;
    this.#snapshotSize = body.length;
  }
}

function apply(
  cells: Map<string, Cell>,
  { key, value, ifVersion }: CellWrite,
  offset: number,
  index: number,
): CellResult {
  if (cells.get(key)?.version !== ifVersion) return { status: 'conflict' };
  if (value === undefined) {
    cells.delete(key);
    return { status: 'written', version: undefined };
  }
  const version = `${String(offset)}.${String(index)}`;
  cells.set(key, { key, value, version });
  return { status: 'written', version };
}

function decodeOp(body: Buffer): Op {
  const { w, n } = parse(body) as { readonly w: readonly FlatWrite[]; readonly n?: number };
  return {
    writes: w.map(([key, value, ifVersion]) => ({
      key,
      value: value ?? undefined,
      ifVersion: ifVersion ?? undefined,
    })),
    news: n === 1,
  };
}

function decodeSnapshot(body: Buffer): { readonly base: number; readonly cells: readonly Cell[] } {
  const { b, c } = parse(body) as {
    readonly b: number;
    readonly c: readonly (readonly [string, string, string])[];
  };
  return { base: b, cells: c.map(([key, value, version]) => ({ key, value, version })) };
}

/** @throws BusError DUOBUS_DECODE for a version this code does not know. */
function parse(body: Buffer): unknown {
  let raw: { readonly v?: unknown } | null;
  try {
    raw = JSON.parse(body.toString()) as typeof raw;
  } catch (cause) {
    throw new BusError(
      'DUOBUS_DECODE',
      'the stream of a group holds a line that is not JSON: was it written by something else than duobus?',
      { cause },
    );
  }
  if (raw?.v === 1) return raw;
  throw new BusError(
    'DUOBUS_DECODE',
    `the stream of a group holds a line of version ${String(raw?.v)}, this version of duobus reads 1: upgrade this process`,
  );
}
