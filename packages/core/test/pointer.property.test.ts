import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  decodePointer,
  encodePointer,
  maxSpan,
  newPointer,
  Tracker,
  type Pointer,
  type Tracked,
} from '../src/runtime/pointer.ts';
import { errorOf } from './support/error-of.ts';

const base = fc.integer({ min: 0, max: 2 ** 40 });
const offsets = fc.uniqueArray(fc.integer({ min: 0, max: maxSpan }), { maxLength: 3_000 });

const pointers: fc.Arbitrary<Pointer> = fc
  .record({
    base,
    epoch: fc.nat(),
    done: offsets,
    failed: fc.array(fc.tuple(fc.nat(600), fc.integer({ min: 1, max: 35 })), { maxLength: 50 }),
    crashes: fc.array(fc.tuple(fc.nat(maxSpan), fc.integer({ min: 1, max: 99 })), { maxLength: 4 }),
    clean: fc.boolean(),
    resetBelow: fc.nat(5_000),
    returnedBelow: fc.nat(5_000),
    takeoverBelow: fc.nat(5_000),
    suspects: fc.nat(40),
    owner: fc.constantFrom('', 'AbCdEfGhIjKlMnOpQrStUv'),
    partitions: fc.integer({ min: 1, max: 1_024 }),
    time: fc.nat(),
  })
  .map((one) => {
    const done = new Set(one.done.map((delta) => one.base + delta));
    const undone = <T>(pairs: readonly (readonly [number, T])[]): Map<number, T> =>
      new Map(
        pairs.flatMap(([delta, n]) => (done.has(one.base + delta) ? [] : [[one.base + delta, n]])),
      );
    return {
      epoch: one.epoch,
      next: { offset: one.base, time: one.time },
      done,
      failed: undone(one.failed),
      crashes: undone(one.crashes),
      clean: one.clean,
      resetBelow: one.resetBelow === 0 ? 0 : one.base + one.resetBelow,
      returnedBelow: one.returnedBelow === 0 ? 0 : one.base + one.returnedBelow,
      takeoverBelow: one.takeoverBelow === 0 ? 0 : one.base + one.takeoverBelow,
      suspects: one.takeoverBelow === 0 ? 0 : one.suspects,
      owner: one.owner,
      partitions: one.partitions,
    };
  });

describe('pointer', () => {
  it('comes back as it was written, in at most 3 KiB', () => {
    fc.assert(
      fc.property(pointers, (pointer) => {
        const stored = encodePointer(pointer);
        assert.ok(Buffer.byteLength(stored.text) <= 3_072, `${stored.text.length} bytes`);
        assert.deepEqual(decodePointer(stored, 7), pointer);
      }),
      { numRuns: 200 },
    );
  });

  it('takes text of other programs for a plain offset', () => {
    const place = { offset: 12, time: 0 };
    assert.deepEqual(decodePointer({ place, text: 'metadata' }, 3), newPointer(place, 3));
    assert.deepEqual(decodePointer({ place, text: '' }, 3), newPointer(place, 3));
  });

  it('refuses a version it does not know', () => {
    const place = { offset: 12, time: 0 };
    errorOf('DUOBUS_DECODE', () => decodePointer({ place, text: '{"v":2}' }, 3));
    errorOf('DUOBUS_DECODE', () => decodePointer({ place, text: 'null' }, 3));
  });
});

/** Gaps between offsets, and for each step which open record is completed and whether the process dies after it. */
const runs = fc.record({
  gaps: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 60 }),
  steps: fc.array(
    fc.record({
      take: fc.nat(5),
      complete: fc.nat(1_000),
      fail: fc.boolean(),
      write: fc.boolean(),
      die: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
    { maxLength: 120 },
  ),
});

/** Runs trackers over one partition: after every death the next begins at the last pointer written. */
class Partition {
  readonly records: readonly number[];
  readonly handled = new Set<number>();
  readonly failures = new Map<number, number>();
  written: { readonly pointer: Pointer; readonly handled: ReadonlySet<number> };
  tracker: Tracker;
  open: Tracked[] = [];
  at = 0;

  constructor(gaps: readonly number[]) {
    let offset = 100;
    this.records = gaps.map((gap) => (offset += gap));
    this.written = { pointer: newPointer({ offset: 100, time: 0 }, 1), handled: new Set() };
    this.tracker = new Tracker(this.written.pointer);
  }

  take(): void {
    const offset = this.records[this.at];
    if (offset === undefined) return;
    this.at += 1;
    const tracked = this.tracker.take({ offset, time: offset });
    assert.equal(tracked.done, this.written.handled.has(offset), `skips or repeats ${offset}`);
    if (tracked.done) return;
    assert.equal(tracked.failed, this.written.pointer.failed.get(offset) ?? 0);
    this.open.push(tracked);
  }

  complete(index: number, fail: boolean): void {
    if (this.open.length === 0) return;
    const at = index % this.open.length;
    const tracked = this.open[at] as Tracked;
    if (fail) {
      tracked.failed = Math.min(tracked.failed + 1, 35);
      return;
    }
    this.open.splice(at, 1);
    this.tracker.complete(tracked);
    this.handled.add(tracked.offset);
  }

  check(): void {
    const first = this.records.find((offset) => !this.handled.has(offset));
    const { offset } = this.tracker.next;
    assert.ok(first === undefined || offset <= first, `the pointer ${offset} is beyond ${first}`);
    for (const record of this.records)
      assert.ok(record >= offset || this.handled.has(record), `${record} would be lost`);
  }

  write(): void {
    const pointer = decodePointer(encodePointer(this.tracker.pointer(false)), 1);
    const handled = this.records.filter(
      (offset) => offset < pointer.next.offset || pointer.done.has(offset),
    );
    assert.deepEqual(
      new Set(handled),
      new Set(this.records.filter((offset) => this.handled.has(offset))),
      'what is written is what was handled',
    );
    this.written = { pointer, handled: new Set(handled) };
  }

  die(): void {
    this.tracker = new Tracker(this.written.pointer);
    this.open = [];
    for (const offset of this.handled)
      if (!this.written.handled.has(offset)) this.handled.delete(offset);
    this.at = this.records.findIndex((offset) => offset >= this.written.pointer.next.offset);
    if (this.at < 0) this.at = this.records.length;
  }
}

describe('tracker', () => {
  it('neither skips what is not handled nor repeats what is, whatever the order and the deaths', () => {
    fc.assert(
      fc.property(runs, ({ gaps, steps }) => {
        const partition = new Partition(gaps);
        for (const step of steps) {
          for (let n = 0; n < step.take; n += 1) partition.take();
          partition.complete(step.complete, step.fail);
          partition.check();
          if (step.write) partition.write();
          if (step.die) partition.die();
        }
      }),
      { numRuns: 500 },
    );
  });

  it('goes past what retention or compaction has removed', () => {
    const tracker = new Tracker(newPointer({ offset: 5, time: 0 }, 1));
    const entry = tracker.take({ offset: 1_000_000, time: 7 });
    assert.equal(tracker.span, 1);
    assert.ok(tracker.fits({ offset: 1_000_000 + maxSpan, time: 8 }));
    assert.ok(!tracker.fits({ offset: 1_000_001 + maxSpan, time: 8 }));
    tracker.complete(entry);
    assert.deepEqual(tracker.next, { offset: 1_000_001, time: 7 });
  });

  it('says up to where documents were handed out and given back', () => {
    const tracker = new Tracker(newPointer({ offset: 0, time: 0 }, 1));
    for (const offset of [0, 1, 2]) tracker.take({ offset, time: 0 }).shown = offset === 1;
    assert.equal(tracker.pointer(true).returnedBelow, 2);
  });
});
