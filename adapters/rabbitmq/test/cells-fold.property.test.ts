import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { CellWrite } from '@duobus/core/driver';
import {
  CellsFold,
  cellsGenesisType,
  cellsOpType,
  cellsSnapshotType,
  encodeOp,
} from '../src/cells-fold.ts';
import type { Line } from '../src/stream-line.ts';

const line = (offset: number, type: string, text: string): Line => ({
  offset,
  type,
  id: undefined,
  body: Buffer.from(text),
  writtenAt: undefined,
});

type Step =
  | { readonly write: string; readonly stale: boolean; readonly deletes: boolean }
  | 'snapshot';

const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        write: fc.constantFrom('a', 'b', 'c'),
        stale: fc.boolean(),
        deletes: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.constant('snapshot' as const) },
  ),
  { maxLength: 60 },
);

/** The lines of a stream in which those steps were made, snapshots some lines after what they say. */
function streamOf(given: readonly Step[], late: number): { lines: Line[]; fold: CellsFold } {
  const fold = new CellsFold(() => undefined);
  const lines: Line[] = [];
  const waiting: { readonly text: string; readonly at: number }[] = [];
  const push = (one: Line): void => {
    fold.take(one);
    lines.push(one);
  };
  push(line(0, cellsGenesisType, ''));
  for (const [index, step] of given.entries()) {
    while ((waiting[0]?.at ?? Infinity) <= index)
      push(line(lines.length, cellsSnapshotType, waiting.shift()?.text ?? ''));
    if (step === 'snapshot') {
      waiting.push({ text: fold.snapshot(), at: index + late });
      continue;
    }
    const version = fold.get([step.write])[0]?.version;
    const write: CellWrite = {
      key: step.write,
      value: step.deletes ? undefined : `v${index}`,
      ifVersion: step.stale ? 'old' : version,
    };
    const next = line(lines.length, cellsOpType, encodeOp([write], false));
    const [judged] = fold.judge(next);
    assert.equal(judged?.status, step.stale ? 'conflict' : 'written');
    push(next);
    if (judged?.status === 'written')
      assert.equal(fold.get([step.write])[0]?.version, judged.version);
  }
  return { lines, fold };
}

describe('the fold of cells', () => {
  it('comes to the same wherever it begins, or says that it does not know', () => {
    fc.assert(
      fc.property(steps, fc.nat(5), fc.nat(60), (given, late, start) => {
        const { lines, fold } = streamOf(given, late);
        const other = new CellsFold(() => undefined);
        for (const one of lines.slice(start)) other.take(one);
        if (!other.complete) return;
        const sorted = (cells: CellsFold) => cells.all.toSorted((a, b) => (a.key < b.key ? -1 : 1));
        assert.deepEqual(sorted(other), sorted(fold));
      }),
    );
  });

  it('does not take a snapshot for one that reaches back far enough', () => {
    const fold = new CellsFold(() => undefined);
    fold.take(line(10, cellsOpType, encodeOp([], false)));
    fold.take(line(11, cellsSnapshotType, JSON.stringify({ v: 1, b: 8, c: [] })));
    assert.equal(fold.complete, false);
    fold.take(line(12, cellsSnapshotType, JSON.stringify({ v: 1, b: 9, c: [['k', 'v', '3.0']] })));
    assert.equal(fold.complete, true);
    assert.deepEqual(fold.all, [{ key: 'k', value: 'v', version: '3.0' }]);
  });

  it('refuses what a later version has written', () => {
    const fold = new CellsFold(() => undefined);
    fold.take(line(0, cellsGenesisType, ''));
    const text = JSON.stringify({ v: 2, w: [] });
    assert.throws(() => fold.take(line(1, cellsOpType, text)), { code: 'DUOBUS_DECODE' });
  });
});
