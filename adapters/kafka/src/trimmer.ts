import type { StoredTopic } from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { type Cut, deleteBefore } from './delete-records.ts';
import { classify } from './native-errors.ts';
import type { PointerBackup, Pointers } from './pointer-backup.ts';
import { dead, retries, type Subscription, type Subscriptions } from './subscriptions.ts';
import { ownPartitions } from './topology.ts';

interface Task {
  readonly topic: StoredTopic;
  /** Those that this process consumes, by what is their own: they look after that too. */
  readonly consumed: Map<string, Subscription>;
  dueAt: number;
}

/** After what was settled; publishers look too, for the case that nobody consumes, but later. */
const settledAfterMs = 1_000;
const publishedAfterMs = 10_000;
/** Of all time, at most one part in so many goes into this. */
const share = 4;
const endMs = 3_000;

/**
 * Deletes what every subscription has settled. Looks only at topics that this process has published to or settled in
 * since it last looked; several processes may do it at once.
 */
export class Trimmer {
  readonly #connection: Connection;
  readonly #subscriptions: Subscriptions;
  readonly #backup: PointerBackup;
  readonly #tasks = new Map<string, Task>();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = 0;
  #running: Promise<void> | undefined;
  #ended = false;

  constructor(connection: Connection, subscriptions: Subscriptions, backup: PointerBackup) {
    this.#connection = connection;
    this.#subscriptions = subscriptions;
    this.#backup = backup;
  }

  published(topic: StoredTopic): void {
    this.#add(topic, publishedAfterMs);
  }

  settled(subscription: Subscription): void {
    this.#add(subscription.topic, settledAfterMs).consumed.set(subscription.own, subscription);
  }

  /** Once more, so that the last to go leaves nothing behind. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#ended = true;
    const last = (async (): Promise<void> => {
      await this.#running;
      const consumed = [...this.#tasks.values()].filter((task) => task.consumed.size > 0);
      await Promise.all(consumed.map((task) => this.#tryOne(task)));
    })();
    await Promise.race([last, new Promise((resolve) => setTimeout(resolve, endMs).unref())]);
  }

  #add(topic: StoredTopic, inMs: number): Task {
    const known = this.#tasks.get(topic.incarnation);
    const dueAt = Date.now() + inMs;
    if (known !== undefined) {
      if (dueAt >= known.dueAt) return known;
      known.dueAt = dueAt;
      this.#wind(dueAt);
      return known;
    }
    const task = { topic, dueAt, consumed: new Map<string, Subscription>() };
    this.#tasks.set(topic.incarnation, task);
    this.#wind(dueAt);
    return task;
  }

  #wind(dueAt: number): void {
    if (this.#ended || this.#running !== undefined) return;
    if (this.#timer !== undefined && this.#timerAt <= dueAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = dueAt;
    const inMs = Math.max(0, dueAt - Date.now());
    this.#timer = setTimeout(() => this.#start(), inMs).unref();
  }

  #start(): void {
    this.#timer = undefined;
    this.#running = this.#round().finally(() => {
      this.#running = undefined;
      const dues = [...this.#tasks.values()].map(({ dueAt }) => dueAt);
      if (dues.length > 0) this.#wind(Math.min(...dues));
    });
  }

  async #round(): Promise<void> {
    for (const [incarnation, task] of this.#tasks) {
      if (this.#ended || task.dueAt > Date.now()) continue;
      this.#tasks.delete(incarnation);
      const startedAt = Date.now();
      await this.#tryOne(task);
      const tookMs = Date.now() - startedAt;
      if (tookMs > 100) {
        const again = this.#tasks.get(incarnation);
        if (again !== undefined) again.dueAt = Math.max(again.dueAt, Date.now() + tookMs * share);
      }
    }
  }

  /** What cannot be done now is done later: nothing depends on it but the broker's disk. */
  async #tryOne(task: Task): Promise<void> {
    try {
      await this.#trim(task);
    } catch (error) {
      if (this.#ended || classify(error).code === 'DUOBUS_NOT_FOUND') return;
      const again = this.#add(task.topic, publishedAfterMs);
      for (const [own, subscription] of task.consumed) again.consumed.set(own, subscription);
    }
  }

  async #trim({ topic, consumed }: Task): Promise<void> {
    const { ends, store } = this.#connection;
    const { name, leaders } = await store.current(topic);
    const numbers = [...leaders.keys()];
    // A subscription that comes meanwhile begins at what are the ends now or later: so they are asked for first, then
    // the pointers, and which subscriptions there are last.
    const bounds = await ends.bounds(name, numbers);
    const known = await this.#pointersOf(this.#subscriptions.known(topic), numbers);
    const all = await this.#subscriptions.all(topic);
    const cuts: Cut[] = bounds.flatMap(({ first, end }, partition) => {
      const offset = Math.min(
        end.offset,
        ...all.map((one) => nextOf(one, known.get(one.id), partition)),
      );
      return offset > first.offset ? [{ partition, offset }] : [];
    });
    if (cuts.length > 0) await deleteBefore(this.#connection, name, cuts);
    for (const one of all) {
      const pointers = known.get(one.id);
      if (consumed.has(one.own) && pointers !== undefined) await this.#trimOwn(one, pointers);
    }
  }

  async #trimOwn(subscription: Subscription, pointers: Pointers): Promise<void> {
    if (!(await this.#backup.write(subscription, pointers))) return;
    const cuts = [
      { partition: ownPartitions.retries, offset: pointers.get(retries)?.place.offset ?? 0 },
      { partition: ownPartitions.dead, offset: pointers.get(dead)?.place.offset ?? 0 },
    ].filter(({ offset }) => offset > 0);
    if (cuts.length > 0) await deleteBefore(this.#connection, subscription.own, cuts);
  }

  async #pointersOf(
    subscriptions: readonly Subscription[],
    numbers: readonly number[],
  ): Promise<ReadonlyMap<string, Pointers>> {
    const found = new Map<string, Pointers>();
    for (const one of subscriptions) found.set(one.id, await this.#backup.current(one, numbers));
    return found;
  }
}

function nextOf(
  { starts }: Subscription,
  pointers: Pointers | undefined,
  partition: number,
): number {
  return pointers?.get(partition)?.place.offset ?? starts[partition] ?? 0;
}
