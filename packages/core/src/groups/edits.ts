import type { Cells, CellWrite } from './cells.ts';
import {
  editsKey,
  encodeEdits,
  encodePartition,
  partitionKey,
  type EditEntry,
  type PartitionCell,
  type View,
} from './view.ts';

/** How an edit appears as owner of a partition: no member is called so. */
export const editOwner = (id: string): string => `edit:${id}`;

/** Writes another list of edits, if nobody else has meanwhile. */
export async function writeEdits(
  cells: Cells,
  view: View,
  change: (edits: readonly EditEntry[]) => readonly EditEntry[],
  signal: AbortSignal,
  news = true,
): Promise<readonly EditEntry[] | undefined> {
  const edits = change(view.edits?.value ?? []);
  const write: CellWrite = {
    key: editsKey,
    value: edits.length === 0 ? undefined : encodeEdits(edits),
    ifVersion: view.edits?.version,
  };
  if (view.edits === undefined && edits.length === 0) return edits;
  const [result] = await cells.put([write], news, signal);
  return result?.status === 'written' ? edits : undefined;
}

/** Gives partitions of an edit back: as it has decided, or as they were. */
export async function endEdit(
  cells: Cells,
  view: View,
  id: string,
  decided: boolean,
  signal: AbortSignal,
): Promise<void> {
  const writes: CellWrite[] = [];
  for (const [partition, { value, version }] of view.partitions) {
    if (value.owner !== editOwner(id)) continue;
    const pointer = decided ? (value.next ?? value.pointer) : value.pointer;
    const free: PartitionCell = { owner: '', token: value.token, pointer };
    writes.push({
      key: partitionKey(partition),
      value: encodePartition(free),
      ifVersion: version,
    });
  }
  if (writes.length > 0) await cells.put(writes, true, signal);
}

/** Ends the edit at the head, whose process has died, and takes it off the list. */
export async function buryEdit(cells: Cells, view: View, signal: AbortSignal): Promise<void> {
  const head = view.edits?.value[0];
  if (head === undefined) return;
  await endEdit(cells, view, head.id, head.decided, signal);
  await writeEdits(cells, view, (edits) => edits.slice(1), signal);
}
