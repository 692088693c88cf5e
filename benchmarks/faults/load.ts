import { type Bus, BusError, topic, type Topic } from '@duobus/core';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FaultDocument, nowMs, type Published } from './sighting.ts';

export type BusKind = 'event' | 'data';

export interface Setting {
  readonly kind: BusKind;
  readonly order: 'none' | 'key';
  readonly topicName: string;
  readonly partitions: number;
}

export function faultTopic({ kind, order, topicName, partitions }: Setting): Topic<FaultDocument> {
  const key = (document: FaultDocument): string => document.key;
  if (kind === 'data') return topic<FaultDocument>(topicName, { key, partitions });
  if (order === 'none') return topic<FaultDocument>(topicName);
  return topic<FaultDocument>(topicName, { key, partitions, order });
}

/** What may be on its way to the broker: beyond it the load waits. */
const maxPending = 5_000;
const tickMs = 10;

/** Publishes at a steady rate, keys in turn, and notes what became of every document. */
export class Load {
  readonly published: Published[] = [];
  readonly storedAtMs: number[] = [];
  readonly #bus: Bus;
  readonly #setting: Setting;
  readonly #topic: Topic<FaultDocument>;
  readonly #keys: number;
  readonly #seqs = new Map<string, number>();
  #pending = 0;
  #running: Promise<void> | undefined;
  #stopped = false;
  errors: string[] = [];

  constructor(bus: Bus, setting: Setting, keys: number) {
    this.#bus = bus;
    this.#setting = setting;
    this.#topic = faultTopic(setting);
    this.#keys = keys;
  }

  get stored(): number {
    return this.#count('stored');
  }

  get rejected(): number {
    return this.#count('rejected');
  }

  get unknown(): number {
    return this.#count('unknown');
  }

  start(perSecond: number, atMost: number = Number.POSITIVE_INFINITY): void {
    this.#running = this.#run(perSecond, atMost);
  }

  /** Publishes nothing more and waits until every publish has its outcome. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    while (this.#pending > 0) await sleep(tickMs);
  }

  /** Resolves when the publish has its outcome, which is noted; never rejects. */
  async publish(poison = false): Promise<void> {
    const n = this.published.length;
    const key = `key-${n % this.#keys}`;
    const seq = this.#seqs.get(key) ?? 0;
    this.#seqs.set(key, seq + 1);
    const id = `${this.#setting.topicName}-${n}`;
    const record: Published = { id, key, seq, status: 'pending' };
    this.published.push(record);
    this.#pending += 1;
    const document: FaultDocument = poison ? { key, seq, poison } : { key, seq };
    try {
      await (this.#setting.kind === 'event'
        ? this.#bus.events.publish(this.#topic, document, { id })
        : this.#bus.data.publish(this.#topic, document, { id }));
      record.status = 'stored';
      this.storedAtMs.push(nowMs());
    } catch (error) {
      if (!BusError.is(error)) throw error;
      record.status = error.outcome === 'rejected' ? 'rejected' : 'unknown';
      if (this.errors.length < 20) this.errors.push(`${error.code}: ${error.message}`);
    } finally {
      this.#pending -= 1;
    }
  }

  async #run(perSecond: number, atMost: number): Promise<void> {
    const beganMs = nowMs();
    let skipped = 0;
    let sent = 0;
    while (!this.#stopped && this.published.length < atMost) {
      const due = Math.floor(((nowMs() - beganMs) * perSecond) / 1_000) - skipped;
      while (sent < due) {
        if (this.#pending >= maxPending) {
          skipped += due - sent;
          break;
        }
        void this.publish();
        sent += 1;
      }
      await sleep(tickMs);
    }
  }

  #count(status: Published['status']): number {
    return this.published.reduce((sum, one) => sum + (one.status === status ? 1 : 0), 0);
  }
}
