import type { StoredTopic } from '@duobus/core/driver';
import type { Links } from './folded-stream.ts';
import { GroupCells } from './group-cells.ts';
import { groupStream } from './topology.ts';

/** Who looks at a group now and then should not have to find its place in the stream each time. */
const idleMs = 30_000;

/** The groups that this process has to do with: each is read once, and not for longer than it is needed. */
export class GroupShelf {
  readonly #links: Links;
  readonly #cells = new Map<string, GroupCells>();
  #timer: NodeJS.Timeout | undefined;

  constructor(links: Links) {
    this.#links = links;
  }

  of(topic: StoredTopic, group: string): GroupCells {
    const queue = groupStream(topic.name, group);
    const known = this.#cells.get(queue);
    if (known !== undefined) return known;
    const cells = new GroupCells(
      this.#links,
      queue,
      `the stream of group '${group}' of topic '${topic.name}'`,
    );
    this.#cells.set(queue, cells);
    this.#timer ??= setInterval(() => this.#sweep(), idleMs / 3).unref();
    return cells;
  }

  async drop(topic: StoredTopic, group: string): Promise<void> {
    const queue = groupStream(topic.name, group);
    const cells = this.#cells.get(queue);
    this.#cells.delete(queue);
    await cells?.close();
  }

  close(): void {
    clearInterval(this.#timer);
    for (const cells of this.#cells.values()) void cells.close();
    this.#cells.clear();
  }

  #sweep(): void {
    const now = Date.now();
    for (const [queue, cells] of this.#cells) {
      if (cells.idleMs(now) < idleMs) continue;
      this.#cells.delete(queue);
      void cells.close();
    }
    if (this.#cells.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
