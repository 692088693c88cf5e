import { inParallel, BusError, hasPointers, type StoredTopic } from '@duobus/core/driver';
import { cellsRing, topicRing } from './log-channel.ts';
import { listAll, ObjectCells } from './object-cells.ts';
import type { Doorbell, ListedObject, ObjectStore } from './object-store.ts';
import { groupsPrefix } from './paths.ts';

const atOnce = 8;

export interface GroupCellsOptions {
  readonly store: ObjectStore;
  readonly root: string;
  readonly doorbell: Doorbell;
  readonly channelOf: (topic: StoredTopic) => string;
}

/** The groups of data topics. What a member of a removed group creates where it knew of no cell has no pointer: that is no
 *  group, and who joins next takes it over. */
export class GroupCells {
  readonly #options: GroupCellsOptions;
  /** By prefix. */
  readonly #cells = new Map<string, ObjectCells>();

  constructor(options: GroupCellsOptions) {
    this.#options = options;
  }

  of(topic: StoredTopic, group: string): ObjectCells {
    const { store, root, doorbell, channelOf } = this.#options;
    const prefix = `${groupsPrefix(root, topic)}${group}/`;
    const known = this.#cells.get(prefix);
    if (known !== undefined) return known;
    const channel = channelOf(topic);
    const cells = new ObjectCells({
      store,
      prefix,
      ring: () => doorbell.ring(channel, cellsRing(group)),
      watch: (changed) =>
        doorbell.listen(channel, (message) => {
          if (message === '' || message === cellsRing(group) || message === topicRing) changed();
        }),
    });
    this.#cells.set(prefix, cells);
    return cells;
  }

  /** Groups that exist: those with a pointer, whether anybody runs or not. */
  async names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    const prefix = groupsPrefix(this.#options.root, topic);
    const objects = await listAll(this.#options.store, prefix, signal);
    const groups = new Map<string, ListedObject[]>();
    for (const object of objects) {
      const group = object.key.slice(prefix.length).split('/', 1)[0] as string;
      groups.set(group, [...(groups.get(group) ?? []), object]);
    }
    const found = await inParallel([...groups], atOnce, async ([group, cells]) =>
      (await hasAny(this.of(topic, group), cells, signal)) ? [group] : [],
    );
    return found.flat();
  }

  /** Deletes what is there now. A cell that changes meanwhile is somebody's who has come, and stays.
   *  @throws BusError DUOBUS_CONFLICT */
  async remove(topic: StoredTopic, group: string, signal: AbortSignal): Promise<void> {
    const { store, root } = this.#options;
    const prefix = `${groupsPrefix(root, topic)}${group}/`;
    const objects = await listAll(store, prefix, signal);
    const results = await inParallel(objects, atOnce, ({ key, etag }) =>
      store.remove(key, { etag }, signal),
    );
    this.#cells.delete(prefix);
    if (!results.includes('conflict')) return;
    throw new BusError(
      'DUOBUS_CONFLICT',
      `somebody has joined group '${group}' of topic '${topic.name}' while it was removed: close its consumers and remove it again`,
      { context: { topic: topic.name, group } },
    );
  }
}

async function hasAny(
  cells: ObjectCells,
  objects: readonly ListedObject[],
  signal: AbortSignal,
): Promise<boolean> {
  for (const object of objects) {
    if (!/\/partition\/\d+$/.test(object.key)) continue;
    const cell = await cells.load(object, signal);
    if (cell !== undefined && hasPointers([cell])) return true;
  }
  return false;
}
