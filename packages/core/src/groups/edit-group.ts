import type { EditResult, PointerChange } from '../driver.ts';
import { BusError } from '../errors.ts';
import { Bell } from '../internal/bell.ts';
import type { Clock } from '../internal/clock.ts';
import { randomToken } from '../internal/ids.ts';
import type { Cells, CellWrite } from './cells.ts';
import { buryEdit, editOwner, endEdit, writeEdits } from './edits.ts';
import { limited } from './limited.ts';
import { Sightings } from './sightings.ts';
import { encodePartition, partitionKey, readView, type EditEntry, type View } from './view.ts';

export interface EditOptions {
  readonly cells: Cells;
  readonly clock: Clock;
  readonly leaseMs: number;
  readonly partitions: number;
  readonly change: PointerChange;
  readonly graceMs: number;
  readonly signal: AbortSignal;
}

/** Changes pointers while nobody owns them: one edit after the other, all partitions or none (see LogDriver.edit). */
export async function editGroup(options: EditOptions): Promise<EditResult> {
  const edit = new Edit(options);
  return edit.run();
}

/** Where an edit stands after a look. */
type Standing = 'waiting' | 'ready';

class Edit {
  readonly #options: EditOptions;
  readonly #cells: Cells;
  readonly #clock: Clock;
  readonly #id = randomToken();
  readonly #owner = editOwner(this.#id);
  readonly #members: Sightings;
  readonly #edits: Sightings;
  readonly #bell: Bell;
  #beatenAt = 0;
  #decided = false;

  constructor(options: EditOptions) {
    const { cells, clock, leaseMs } = options;
    this.#options = options;
    this.#cells = cells;
    this.#clock = clock;
    this.#members = new Sightings(leaseMs);
    this.#edits = new Sightings(leaseMs);
    this.#bell = new Bell(clock);
  }

  async run(): Promise<EditResult> {
    const { clock, leaseMs, signal } = this.#options;
    signal.throwIfAborted();
    const wake = (): void => this.#bell.ring();
    const unwatch = this.#cells.watch(wake);
    signal.addEventListener('abort', wake, { once: true });
    try {
      await this.#insist(() => this.#enter(signal));
      await this.#insist(() => this.#ownAll(signal));
      await this.#insist(() => this.#propose(signal));
      const superseded = await this.#insist(() => this.#decide(signal));
      await this.#insist(() => limited(clock, leaseMs, (inner) => this.#finish(inner)));
      return { superseded };
    } catch (error) {
      if (!this.#decided) await this.#withdraw();
      throw error;
    } finally {
      signal.removeEventListener('abort', wake);
      unwatch();
    }
  }

  /** Every step finds out for itself how far it is, so what fails for a moment is tried again for as long as a lease. */
  async #insist<T>(step: () => Promise<T>): Promise<T> {
    const { clock, leaseMs, signal } = this.#options;
    const until = clock.now() + leaseMs;
    for (;;) {
      try {
        return await step();
      } catch (error) {
        const passing = BusError.is(error, 'DUOBUS_UNAVAILABLE') && error.retryable;
        if (!passing || signal.aborted || clock.now() >= until) throw error;
        await this.#bell.wait(leaseMs / 16);
      }
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    const { graceMs } = this.#options;
    const entry: EditEntry = { id: this.#id, beat: 0, graceMs, decided: false };
    for (;;) {
      const view = await this.#view(signal);
      this.#beatenAt = this.#clock.now();
      if (this.#entryIn(view) !== undefined) return;
      await writeEdits(this.#cells, view, (edits) => [...edits, entry], signal);
    }
  }

  /** Until it is its turn and every partition is this edit's. */
  async #ownAll(signal: AbortSignal): Promise<void> {
    for (;;) {
      const beganAt = this.#clock.now();
      const view = await this.#view(signal);
      this.#see(view);
      if ((await this.#advance(view, beganAt, signal)) === 'ready') return;
      await this.#bell.wait(Math.max(1, this.#options.leaseMs / 4));
      signal.throwIfAborted();
    }
  }

  async #advance(view: View, now: number, signal: AbortSignal): Promise<Standing> {
    this.#mustBeListed(view);
    await this.#showLife(view, signal);
    const head = view.edits?.value[0];
    if (head?.id !== this.#id) {
      if (head !== undefined && !this.#edits.isAlive(head.id, now)) {
        await buryEdit(this.#cells, view, signal);
        this.#bell.ring();
      }
      return 'waiting';
    }
    const claims: CellWrite[] = [];
    let missing = 0;
    for (let partition = 0; partition < this.#options.partitions; partition += 1) {
      const cell = view.partitions.get(partition);
      const owner = cell?.value.owner ?? '';
      if (owner === this.#owner) continue;
      missing += 1;
      if (view.members.has(owner) && this.#members.isAlive(owner, now)) continue;
      const { token = 0, pointer } = cell?.value ?? {};
      const value = encodePartition({ owner: this.#owner, token: token + 1, pointer });
      claims.push({ key: partitionKey(partition), value, ifVersion: cell?.version });
    }
    if (claims.length > 0) {
      await this.#cells.put(claims, false, signal);
      this.#bell.ring();
    }
    return missing === 0 ? 'ready' : 'waiting';
  }

  /** Asks for every partition what it is to be, and writes that beside what it is. Nothing has changed yet. */
  async #propose(signal: AbortSignal): Promise<void> {
    for (;;) {
      const view = await this.#view(signal);
      this.#mustBeListed(view);
      const writes: CellWrite[] = [];
      for (const [partition, { value, version }] of view.partitions) {
        if (value.owner !== this.#owner || value.next !== undefined) continue;
        const next = await this.#options.change(partition, value.pointer);
        if (next === undefined) continue;
        const proposed = encodePartition({ ...value, next });
        writes.push({ key: partitionKey(partition), value: proposed, ifVersion: version });
      }
      if (writes.length === 0) return;
      await this.#cells.put(writes, false, signal);
    }
  }

  /** From here on it will be done, by this process or by another. Tells whether another edit waits. */
  async #decide(signal: AbortSignal): Promise<boolean> {
    for (;;) {
      const view = await this.#view(signal);
      const entry = this.#mustBeListed(view);
      if (entry.decided) return (view.edits?.value.length ?? 0) > 1;
      // Not known to have failed: whoever finds it decided finishes it.
      this.#decided = true;
      await writeEdits(
        this.#cells,
        view,
        (edits) => edits.map((one) => (one.id === this.#id ? { ...one, decided: true } : one)),
        signal,
      );
    }
  }

  async #finish(signal: AbortSignal): Promise<void> {
    for (;;) {
      const view = await this.#view(signal);
      if (this.#entryIn(view) === undefined) return;
      await endEdit(this.#cells, view, this.#id, true, signal);
      await this.#leave(await this.#view(signal), signal);
    }
  }

  /** What cannot be told is found out when the lease ends. */
  async #withdraw(): Promise<void> {
    const { clock, leaseMs } = this.#options;
    try {
      await limited(clock, leaseMs, async (signal) => {
        for (;;) {
          const view = await this.#view(signal);
          const owners = [...view.partitions.values()].map(({ value }) => value.owner);
          if (!owners.includes(this.#owner) && this.#entryIn(view) === undefined) return;
          await endEdit(this.#cells, view, this.#id, false, signal);
          await this.#leave(await this.#view(signal), signal);
        }
      });
    } catch (error) {
      if (!BusError.is(error)) throw error;
    }
  }

  async #leave(view: View, signal: AbortSignal): Promise<void> {
    await writeEdits(
      this.#cells,
      view,
      (edits) => edits.filter(({ id }) => id !== this.#id),
      signal,
    );
  }

  async #view(signal: AbortSignal): Promise<View> {
    signal.throwIfAborted();
    return readView(await this.#cells.list(signal));
  }

  #see(view: View): void {
    const now = this.#clock.now();
    this.#members.look(new Map([...view.members].map(([id, { version }]) => [id, version])), now);
    this.#edits.look(new Map((view.edits?.value ?? []).map(({ id, beat }) => [id, beat])), now);
  }

  async #showLife(view: View, signal: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    if (now - this.#beatenAt < this.#options.leaseMs / 4) return;
    const written = await writeEdits(
      this.#cells,
      view,
      (edits) => edits.map((one) => (one.id === this.#id ? { ...one, beat: one.beat + 1 } : one)),
      signal,
      false,
    );
    if (written === undefined) this.#bell.ring();
    else this.#beatenAt = now;
  }

  #entryIn(view: View): EditEntry | undefined {
    return view.edits?.value.find(({ id }) => id === this.#id);
  }

  #mustBeListed(view: View): EditEntry {
    const entry = this.#entryIn(view);
    if (entry !== undefined) return entry;
    throw new BusError(
      'DUOBUS_CONFLICT',
      'this reset was taken for dead, as it has not shown a sign of life: try again',
      { retryable: true },
    );
  }
}
