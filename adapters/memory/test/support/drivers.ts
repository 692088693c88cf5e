import { afterEach } from 'node:test';
import type { LogDriver, OutboundRecord, QueueDriver, StoredTopic } from '@duobus/core/driver';
import { type BrokerOptions, memory, MemoryBroker } from '../../src/index.ts';
import { VirtualClock } from './virtual-clock.ts';

export const signal: AbortSignal = new AbortController().signal;

const opened: { close(): Promise<void> }[] = [];
// Members keep the process alive.
afterEach(() => Promise.all(opened.splice(0).map((driver) => driver.close())));

export interface Setup {
  readonly broker: MemoryBroker;
  readonly clock: VirtualClock;
  readonly queue: QueueDriver<MemoryBroker>;
  readonly log: LogDriver<MemoryBroker>;
}

export async function setup(options: BrokerOptions = {}): Promise<Setup> {
  const clock = new VirtualClock();
  const broker = new MemoryBroker('test', { clock, ...options });
  return { broker, clock, ...(await connected(broker)) };
}

export async function connected(broker: MemoryBroker): Promise<Pick<Setup, 'queue' | 'log'>> {
  const { queue, log } = memory(broker);
  if (queue === undefined || log === undefined) throw new Error('memory has both buses');
  opened.push(queue, log);
  await queue.open(signal);
  await log.open(signal);
  return { queue, log };
}

export function topicRecord(over: Partial<StoredTopic> = {}): StoredTopic {
  return {
    v: 1,
    kind: 'event',
    name: 'orders',
    order: 'none',
    partitions: 1,
    retention: { maxAgeMs: null, maxBytes: null },
    compacted: false,
    incarnation: 'i1',
    ...over,
  };
}

export function record(text: string, key?: string): OutboundRecord {
  return { key, headers: { n: text }, body: new TextEncoder().encode(text) };
}

export function text(found: { readonly body: Uint8Array | null }): string {
  return new TextDecoder().decode(found.body ?? new Uint8Array());
}

/** What waits in a member's inbox now; nothing where there is nothing. */
export async function take<Event>(member: {
  receive(signal: AbortSignal): Promise<readonly Event[]>;
}): Promise<readonly Event[]> {
  const controller = new AbortController();
  const received = member.receive(controller.signal);
  setImmediate(() => controller.abort(new DOMException('nothing there', 'AbortError')));
  try {
    return await received;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return [];
    throw error;
  }
}
