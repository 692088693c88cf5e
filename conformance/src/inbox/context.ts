import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IdempotenceStore } from '@duobus/core';
import { Child } from './child-process.ts';
import type { Effects, InboxHarness, InboxProcesses, OpenStore } from './harness.ts';
import type { Job, Report } from './protocol.ts';
import { settle } from './settle.ts';

/** A store with transactions, as cases use it. */
export type Transactional = IdempotenceStore & Required<Pick<IdempotenceStore, 'transaction'>>;

/** What a case has at hand. What it opens is closed at its end. */
export class InboxContext {
  readonly harness: InboxHarness;
  readonly #opened: OpenStore[] = [];
  readonly #children: Child[] = [];

  constructor(harness: InboxHarness) {
    this.harness = harness;
  }

  /** Of this case alone. */
  key(text = ''): string {
    return `${randomUUID()} ${text}`;
  }

  ms(ms: number): number {
    return ms * (this.harness.slow ?? 1);
  }

  async open(options?: { readonly keepsForMs?: number | null }): Promise<IdempotenceStore> {
    return this.#keep(await this.harness.open(options));
  }

  async openTransactional(options?: {
    readonly keepsForMs?: number | null;
  }): Promise<Transactional> {
    const store = await this.open(options);
    if (store.transaction === undefined)
      throw new Error('expected: the store has a method transaction, as its harness has effects');
    return store as Transactional;
  }

  async away(): Promise<IdempotenceStore> {
    if (this.harness.away === undefined) throw new Error('the harness has no away');
    return this.#keep(await this.harness.away());
  }

  #keep(opened: OpenStore): IdempotenceStore {
    this.#opened.push(opened);
    return opened.store;
  }

  get effects(): Effects {
    if (this.harness.effects === undefined) throw new Error('the harness has no effects');
    return this.harness.effects;
  }

  get processes(): InboxProcesses {
    if (this.harness.processes === undefined) throw new Error('the harness has no processes');
    return this.harness.processes;
  }

  settle(
    store: IdempotenceStore,
    key: string,
    effect: (tx: unknown) => void | Promise<void>,
  ): Promise<'new' | 'done'> {
    return settle(store, key, effect, this.ms(20_000));
  }

  /** Looks until it is so. */
  async until(what: string, look: () => Promise<boolean>, ms = 20_000): Promise<void> {
    const over = performance.now() + this.ms(ms);
    while (!(await look())) {
      if (performance.now() > over) throw new Error(`expected within ${this.ms(ms)} ms: ${what}`);
      await sleep(10);
    }
  }

  child(
    job:
      | Omit<Job & { readonly do: 'work' }, 'processes' | 'limitMs'>
      | Omit<Job & { readonly do: 'hold' }, 'processes' | 'limitMs'>,
    hear: (report: Report) => void = () => undefined,
  ): Child {
    const child = new Child({ ...job, processes: this.processes, limitMs: this.ms(60_000) }, hear);
    this.#children.push(child);
    return child;
  }

  async close(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.kill()));
    for (const opened of this.#opened) await opened.close();
  }
}
