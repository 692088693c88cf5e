import type { Groups, LogEvent, LogMember } from '../../src/driver.ts';
import { BusError } from '../../src/errors.ts';
import type { ManualClock } from '../../src/testing/manual-clock.ts';
import type { ModelCells } from './model-cells.ts';
import { groupsOf, signal, topic } from './model-groups.ts';

/** `epoch:sequence`: edits count the first, commits the second. */
const textOf = (epoch: number, sequence: number): string => `${epoch}:${sequence}`;
export const epochOf = (text: string): number => Number(text.split(':')[0]);

interface Owned {
  readonly token: number;
  readonly epoch: number;
  sequence: number;
}

/** A process with one member, that does what core does with one: commits, lets go, joins again. */
export class ModelProcess {
  readonly name: string;
  readonly groups: Groups;
  /** What it believes to own. */
  readonly owned = new Map<number, Owned>();
  /** What went wrong that must not. */
  readonly wrong: string[] = [];
  readonly #clock: ManualClock;
  readonly #random: () => number;
  #member: LogMember | undefined;
  #dead = false;
  #leaving = false;
  #thaw: (() => void) | undefined;
  #frozen: Promise<void> | undefined;
  #receiving = new AbortController();
  #stopCommits: () => void = () => undefined;

  constructor(
    name: string,
    clock: ManualClock,
    cells: ModelCells,
    partitions: () => number,
    random: () => number,
  ) {
    this.name = name;
    this.#clock = clock;
    this.#random = random;
    this.groups = groupsOf(clock, cells, partitions, {
      frozen: () => this.#frozen ?? Promise.resolve(),
      dead: () => this.#dead,
    });
    void this.#live();
    this.#commitLater();
  }

  get over(): boolean {
    return this.#dead || this.#leaving;
  }

  kill(): void {
    this.#dead = true;
    this.#stopCommits();
  }

  freeze(): void {
    this.#frozen ??= new Promise((resolve) => (this.#thaw = resolve));
  }

  thaw(): void {
    this.#thaw?.();
    this.#frozen = undefined;
  }

  async leave(): Promise<void> {
    this.#leaving = true;
    this.#stopCommits();
    this.#receiving.abort(new BusError('DUOBUS_CLOSED', 'it leaves'));
    await this.#tell(() => this.#member?.close());
  }

  async #live(): Promise<void> {
    while (!this.over) {
      try {
        this.#member = await this.groups.join(topic, 'g', this.name, signal);
        while (!this.over) {
          const events = await this.#member.receive(this.#receiving.signal);
          await this.#frozen;
          if (this.#dead) return;
          if (!events.every((event) => this.#apply(event))) break;
        }
        await this.#tell(() => this.#member?.close());
      } catch (error) {
        if (!BusError.is(error) || !(error.retryable || this.#leaving))
          this.wrong.push(String(error));
      }
      this.owned.clear();
      if (!this.#leaving) await new Promise<void>((resolve) => this.#clock.after(50, resolve));
    }
  }

  /** False: the member is over. */
  #apply(event: LogEvent): boolean {
    if (event.type === 'lost') return false;
    if (event.type === 'gone') this.wrong.push(event.error.message);
    else if (event.type === 'assigned') {
      if (this.owned.has(event.partition)) this.wrong.push(`${event.partition} was given twice`);
      const epoch = epochOf(event.pointer?.text ?? '0:0');
      this.owned.set(event.partition, { token: event.token, epoch, sequence: 0 });
    } else if (event.type === 'revoked') this.owned.delete(event.partition);
    else if (event.type === 'revoking') void this.#letGo(event.partition, event.token);
    return true;
  }

  async #letGo(partition: number, token: number): Promise<void> {
    const ms = Math.floor(this.#random() * 200);
    await new Promise<void>((resolve) => this.#clock.after(ms, resolve));
    await this.#frozen;
    if (this.#dead || this.owned.get(partition)?.token !== token) return;
    this.owned.delete(partition);
    await this.#tell(() => this.#member?.release(partition, token));
  }

  #commitLater(): void {
    this.#stopCommits = this.#clock.after(100 + Math.floor(this.#random() * 400), () => {
      void this.#commit();
      this.#commitLater();
    });
  }

  async #commit(): Promise<void> {
    await this.#frozen;
    if (this.#dead || this.owned.size === 0) return;
    const writes = [...this.owned].map(([partition, owned]) => {
      owned.sequence += 1;
      const text = textOf(owned.epoch, owned.sequence);
      return {
        partition,
        token: owned.token,
        pointer: { place: { offset: owned.sequence, time: 0 }, text },
      };
    });
    const results = await this.#tell(() => this.#member?.commit(writes));
    results?.forEach((result, at) => {
      const write = writes[at];
      if (
        result === 'fenced' &&
        write !== undefined &&
        this.owned.get(write.partition)?.token === write.token
      )
        this.owned.delete(write.partition);
    });
  }

  async #tell<T>(call: () => Promise<T> | undefined): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      if (!BusError.is(error)) this.wrong.push(String(error));
      return undefined;
    }
  }

  /** Begins the next epoch in every partition, unless that fails. */
  async edit(): Promise<void> {
    await this.#tell(() =>
      this.groups.edit(
        topic,
        'g',
        (_, stored) => ({
          place: { offset: 0, time: 0 },
          text: textOf(epochOf(stored?.text ?? '0:0') + 1, 0),
        }),
        500,
        signal,
      ),
    );
  }
}
