import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { abortable, type Registry, type StoredTopic } from '@duobus/core/driver';
import type { RegistryStream } from './registry-stream.ts';

const kind = 'event';
/** A removal that takes longer is taken to have been cut short. */
const longestMs = 30_000;
const lookEveryMs = 100;

/** Where the registry keeps what is being removed; `:` is in no name of a topic or subscription. */
function removalsOf(topic: StoredTopic): string {
  return `removals:${topic.name}`;
}

/**
 * The removals under way. Whoever removes a subscription says so before the first queue is deleted and after its name
 * is dropped, so that whoever makes it meanwhile knows that its queues, or its name, may be gone again.
 */
export class Removals {
  readonly #registry: RegistryStream;

  constructor(registry: RegistryStream) {
    this.#registry = registry;
  }

  /** Runs `remove` as a removal: with the registry as it was when that was said. */
  async during(
    topic: StoredTopic,
    name: string,
    signal: AbortSignal,
    look: (before: Registry) => number,
    remove: (seen: number) => Promise<void>,
  ): Promise<void> {
    const removal = `${name}:${randomUUID()}`;
    const seen = await this.#registry.append(
      { v: 1, op: 'name', kind, topic: removalsOf(topic), name: removal },
      look,
      signal,
    );
    await remove(seen);
    await this.#end(topic, removal, signal);
  }

  /**
   * Runs `make` again for as long as a removal was under way meanwhile: what was made then may be incomplete. Waits for
   * its end before that.
   */
  async outside<T>(
    topic: StoredTopic,
    name: string,
    signal: AbortSignal,
    make: () => Promise<T>,
  ): Promise<T> {
    for (;;) {
      const before = (await this.#registry.known('create', signal))?.drops(kind, topic.name);
      const made = await make();
      const waited = await this.#untilNone(topic, name, signal);
      const after = (await this.#registry.known('create', signal))?.drops(kind, topic.name);
      if (!waited && before === after) return made;
    }
  }

  /** False where no removal was under way. */
  async #untilNone(topic: StoredTopic, name: string, signal: AbortSignal): Promise<boolean> {
    let under = await this.#underWay(topic, name, signal);
    if (under.length === 0) return false;
    for (const until = Date.now() + longestMs; under.length > 0 && Date.now() < until; ) {
      await abortable(pause(lookEveryMs, undefined, { ref: false }), signal);
      under = await this.#underWay(topic, name, signal);
    }
    for (const removal of under) await this.#end(topic, removal, signal);
    return true;
  }

  async #underWay(
    topic: StoredTopic,
    name: string,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const registry = await this.#registry.fresh('check', signal);
    const all = registry?.names(kind, removalsOf(topic)) ?? [];
    return all.filter((removal) => removal.startsWith(`${name}:`));
  }

  async #end(topic: StoredTopic, removal: string, signal: AbortSignal): Promise<void> {
    await this.#registry.append(
      { v: 1, op: 'drop-name', kind, topic: removalsOf(topic), name: removal },
      () => undefined,
      signal,
    );
  }
}
