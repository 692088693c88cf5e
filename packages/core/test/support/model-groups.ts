import { groupsOver, type Groups, type PartitionReader } from '../../src/driver.ts';
import type { ManualClock } from '../../src/testing/manual-clock.ts';
import type { ModelCells } from './model-cells.ts';
import { storedTopic } from './scripted-source.ts';

export const leaseMs = 4_000;

/** A reader that finds nothing: groups alone are looked at. */
export const nothingToRead: PartitionReader = {
  start() {},
  flow() {},
  taken() {},
  stop() {},
  close: () => Promise.resolve(),
};

export const topic = storedTopic({ kind: 'data' });
export const signal: AbortSignal = new AbortController().signal;

/** Groups as one process has them. */
export function groupsOf(
  clock: ManualClock,
  cells: ModelCells,
  partitions: () => number,
  process: { readonly frozen: () => Promise<void>; readonly dead: () => boolean } = {
    frozen: () => Promise.resolve(),
    dead: () => false,
  },
): Groups {
  return groupsOver({
    clock,
    leaseMs,
    cells: () => cells.through(process),
    partitions: async () => partitions(),
    reader: () => nothingToRead,
  });
}
