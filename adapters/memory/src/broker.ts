import type { Adapter } from '@duobus/core';
import { type Clock, systemClock } from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { DataTopic } from './data-topic.ts';
import { EventTopic } from './event-topic.ts';
import { type BrokerLimits, type BrokerOptions, brokerLimits } from './options.ts';
import { TopicTable } from './topic-table.ts';

const pulseMs = 2 ** 31 - 1;

export interface PublishFault {
  readonly outcome: 'rejected' | 'unknown';
  /** Records to fail. Default 1. */
  readonly count?: number;
  /** Only for 'unknown': whether the record is stored all the same. Default false. */
  readonly stored?: boolean;
}

/** What the buses of one name share. For tests also the handle by which it is made to fail. */
export class MemoryBroker {
  readonly name: string;
  readonly clock: Clock;
  readonly limits: BrokerLimits;
  readonly events: TopicTable<EventTopic> = new TopicTable(
    'event',
    (record) => new EventTopic(this, record),
  );
  readonly data: TopicTable<DataTopic> = new TopicTable(
    'data',
    (record) => new DataTopic(this, record),
  );
  readonly connections: Set<Connection> = new Set();
  readonly #adapters = new WeakMap<Adapter, readonly Connection[]>();
  #faults: { readonly outcome: PublishFault['outcome']; readonly stored: boolean }[] = [];
  #up = true;
  #bytes = 0;
  #pulse: NodeJS.Timeout | undefined;

  constructor(name: string, options: BrokerOptions = {}) {
    this.name = name;
    this.limits = brokerLimits(options);
    this.clock = options.clock ?? systemClock;
  }

  get up(): boolean {
    return this.#up;
  }

  /** Bytes of all that is stored. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Documents that an event topic holds, in whatever state. */
  eventDepth(topic: string): number {
    const found = [...this.events.all].find(({ record }) => record.name === topic);
    const counts = found?.names.map((name) => found.subscription(name).counts()) ?? [];
    return counts.reduce(
      (sum, { ready, leased = 0, delayed, dead }) => sum + ready + leased + delayed + dead,
      0,
    );
  }

  hold(bytes: number): void {
    this.#bytes += bytes;
  }

  register(adapter: Adapter, connections: readonly Connection[]): void {
    this.#adapters.set(adapter, connections);
  }

  /** Test: connections are lost, with all that is unsettled; they can be opened again at once. Default: all. */
  cut(adapter?: Adapter): void {
    const connections =
      adapter === undefined ? [...this.connections] : (this.#adapters.get(adapter) ?? []);
    for (const connection of connections) connection.cut('it was cut');
  }

  /** Test: only the members of one subscription or group are lost. Tells how many. */
  cutMembers(topic: string, name: string): number {
    const members = [...this.connections]
      .flatMap((connection) => [...connection.members])
      .filter((member) => member.topic === topic && member.name === name);
    for (const member of members) member.cut('it was cut');
    return members.length;
  }

  /** Test: nobody reaches the broker until `start`. What is stored stays. */
  stop(): void {
    this.#up = false;
    this.cut();
  }

  start(): void {
    this.#up = true;
  }

  restart(): void {
    this.stop();
    this.start();
  }

  /** Test: the next records published to anything here fail. */
  failPublishes(fault: PublishFault): void {
    const { outcome, count = 1, stored = false } = fault;
    for (let left = count; left > 0; left -= 1) this.#faults.push({ outcome, stored });
  }

  takeFault(): { readonly outcome: PublishFault['outcome']; readonly stored: boolean } | undefined {
    return this.#faults.shift();
  }

  /** Deletes a topic with all that belongs to it: its members are told. */
  removeTopic(kind: 'event' | 'data', name: string): void {
    (kind === 'event' ? this.events : this.data).remove(name)?.removeAll();
  }

  /** Keeps the process alive while somebody consumes, as a connection to a broker would. */
  watch(): void {
    const members = [...this.connections].some((connection) => connection.members.size > 0);
    if (members) this.#pulse ??= setInterval(() => undefined, pulseMs);
    else {
      clearInterval(this.#pulse);
      this.#pulse = undefined;
    }
  }
}

const shared = new Map<string, MemoryBroker>();

/** The broker of that name, made when it is first asked for. @throws TypeError when it exists with other options. */
export function sharedBroker(name: string, options: BrokerOptions): MemoryBroker {
  const existing = shared.get(name);
  if (existing === undefined) {
    const broker = new MemoryBroker(name, options);
    shared.set(name, broker);
    return broker;
  }
  const limits = brokerLimits({ ...existing.limits, ...options });
  const different = (Object.keys(limits) as (keyof BrokerLimits)[]).find(
    (limit) => limits[limit] !== existing.limits[limit],
  );
  const otherClock = options.clock !== undefined && options.clock !== existing.clock;
  if (different !== undefined || otherClock) {
    throw new TypeError(
      `memory: broker ${name} exists in this process with another ${different ?? 'clock'}: leave the option out or take another name`,
    );
  }
  return existing;
}
