import { manualClock, type ManualClock } from '../../src/testing/manual-clock.ts';
import type { BusOptions } from '../../src/bus.ts';
import type { StoredTopic } from '../../src/driver.ts';
import { makeAttributes } from '../../src/envelope.ts';
import { consumeOptions, type Consume } from '../../src/runtime/consume-options.ts';
import type { ConsumeOptions } from '../../src/handle.ts';
import { Context } from '../../src/runtime/context.ts';
import { newItem, type Item, type Lease, type Part, type Source } from '../../src/runtime/item.ts';

export function contextOf(
  options: Partial<BusOptions> = {},
  clock: ManualClock = manualClock(0),
): { readonly context: Context; readonly clock: ManualClock } {
  return { context: new Context({ source: '/test', ...options }, clock), clock };
}

export function consumeOf(options: ConsumeOptions = {}): Consume {
  return consumeOptions('event', 'worker', options, [], {
    prefetch: 300,
    leaseMs: 3_600_000,
    maxDelayMs: 3_600_000,
    graceMs: 1_000,
  });
}

export function storedTopic(over: Partial<StoredTopic> = {}): StoredTopic {
  return {
    v: 1,
    kind: 'event',
    name: 'orders',
    order: 'key',
    partitions: 4,
    retention: { maxAgeMs: null, maxBytes: null },
    compacted: false,
    incarnation: 'one',
    ...over,
  };
}

/** A source that writes down what is settled, and answers at once. */
export class ScriptedSource implements Source {
  readonly topic: StoredTopic = storedTopic();
  readonly ordered: boolean;
  readonly holds: boolean;
  readonly settled: { readonly id: string; readonly verdict: 'done' | 'dead' | 'again' }[] = [];
  readonly letters: { readonly id: string; readonly reason: string; readonly message: string }[] =
    [];
  readonly shownOnes: string[] = [];
  readonly droppedOnes: string[] = [];
  /** What `retry`, `dead` and `probe` answer. */
  writes: () => Promise<boolean> = () => Promise.resolve(true);
  halting = false;

  constructor(ordered: boolean) {
    this.ordered = ordered;
    this.holds = ordered;
  }

  done(item: Item): void {
    this.settled.push({ id: idOf(item), verdict: 'done' });
  }

  async retry(item: Item): Promise<boolean> {
    const written = await this.writes();
    if (!this.holds && written) this.settled.push({ id: idOf(item), verdict: 'again' });
    return written;
  }

  async dead(item: Item, reason: string, message: string): Promise<boolean> {
    const written = await this.writes();
    if (!written) return false;
    this.settled.push({ id: idOf(item), verdict: 'dead' });
    this.letters.push({ id: idOf(item), reason, message });
    return true;
  }

  async probe(): Promise<'kept' | 'lost'> {
    return (await this.writes()) ? 'kept' : 'lost';
  }

  async written(): Promise<void> {
    await this.writes();
  }

  level(): void {}

  halts(): boolean {
    return this.halting;
  }

  shown(item: Item): void {
    this.shownOnes.push(idOf(item));
  }

  dropped(item: Item): void {
    this.droppedOnes.push(idOf(item));
  }
}

export function idOf(item: Item): string {
  return item.attributes?.id ?? '';
}

export interface ItemOptions {
  readonly id: string;
  readonly key?: string | undefined;
  readonly lease?: Lease;
  readonly now?: number;
  readonly suspect?: boolean;
  readonly crashes?: number;
  readonly failed?: number;
}

export function itemOf(part: Part, options: ItemOptions): Item {
  const { id, key, now = 0, suspect = false, crashes = 0, failed = 0 } = options;
  const attributes = makeAttributes({
    id,
    source: '/test',
    type: 'orders',
    time: '2026-11-01T12:00:00Z',
    datacontenttype: 'application/json',
  });
  const body = new Uint8Array(Buffer.from('{}'));
  return newItem({
    part,
    lease: options.lease ?? { alive: true, epoch: 0 },
    record: { key, headers: {}, body },
    envelope: { attributes, data: body, key },
    broken: undefined,
    lane: key,
    redelivered: suspect,
    now,
    handle: id,
    cause: suspect ? 'takeover' : 'first',
    failed,
    crashes,
    suspect,
  });
}
