import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newPart, type Source } from '../src/runtime/item.ts';
import { LogPartition } from '../src/runtime/log-partition.ts';
import { decodePointer, newPointer, type Pointer, type Tracked } from '../src/runtime/pointer.ts';

const start = newPointer({ offset: 10, time: 0 }, 1);

/** Another owner, after the one before it has written its last pointer. */
function own(pointer: Pointer): LogPartition {
  const part = newPart({} as Source, 0);
  return new LogPartition({ partition: 0, token: 1, part, pointer, mostRunning: 16 });
}

function take(
  partition: LogPartition,
  offset: number,
): { readonly tracked: Tracked; readonly suspect: boolean; readonly cause: string } {
  const taken = partition.take({ offset, time: 0, key: undefined, headers: {}, body: null });
  assert.ok(taken !== undefined);
  return taken;
}

describe('LogPartition after an owner that died', () => {
  const crashed: Pointer = { ...start, clean: false, takeoverBelow: 14, suspects: 2 };

  it('says so of what that one may have handled', () => {
    const partition = own(crashed);
    const causes = [10, 11, 12, 13, 14].map((offset) => take(partition, offset).cause);
    assert.deepEqual(causes, ['takeover', 'takeover', 'takeover', 'takeover', 'first']);
  });

  it('still says so when an owner in between has handled nothing', () => {
    const between = decodePointer(own(crashed).snapshot(true).pointer, 1);
    const partition = own(between);
    const seen = [10, 11, 12].map((offset) => take(partition, offset));
    assert.deepEqual(
      seen.map(({ cause, suspect }) => [cause, suspect]),
      [
        ['takeover', true],
        ['takeover', true],
        ['takeover', false],
      ],
    );
  });

  it('suspects what an owner in between took and gave back, and not what it handled', () => {
    const first = own(crashed);
    const handled = take(first, 10);
    take(first, 11);
    first.complete(handled.tracked);
    const next = own(decodePointer(first.snapshot(true).pointer, 1));
    assert.deepEqual(
      [11, 12].map((offset) => take(next, offset).suspect),
      [true, false],
    );
  });
});
