import { type Broker, startBroker } from '@duobus/brokers';
import { type Bus, type BusOptions, connect } from '@duobus/core';
import type { FaultOptions } from './fault-options.ts';
import { faultTopic, Load, type Setting } from './load.ts';
import { nowMs } from './sighting.ts';
import { until } from './until.ts';

/** The subscription or group of every fault run. */
export const subscriber = 'faults';
const keys = 240;

/** A private broker, a topic and who publishes to it. */
export interface Stage extends AsyncDisposable {
  readonly broker: Broker;
  readonly setting: Setting;
  readonly bus: Bus;
  readonly load: Load;
  /** When a connection of `bus` was lost or found again. */
  readonly breaksMs: number[];
  /** Creates the subscription or group, so that everything published from now on is for it. */
  prepare(): Promise<void>;
  /** Documents not settled yet, by the broker's account. */
  left(): Promise<number>;
  /** What {@link left} says once it has had time to become 0. */
  settled(): Promise<number>;
  /** Reasons of the dead letters by id. */
  dead(): Promise<ReadonlyMap<string, string>>;
}

export async function openStage(
  { name, adapter, bus: kind, order, broker: version }: FaultOptions,
  partitions: number,
  options: Partial<BusOptions> = {},
): Promise<Stage> {
  const redis = adapter === 'redis-streams';
  const broker = await startBroker(
    version ?? (redis ? 'redis' : adapter),
    // without it a server that is killed may forget its last second
    redis ? { config: { appendfsync: 'always' } } : {},
  );
  const setting: Setting = { kind, order, topicName: name, partitions };
  const topic = faultTopic(setting);
  const breaksMs: number[] = [];
  let bus: Bus;
  try {
    bus = await connect(broker.url, {
      source: '/faults',
      instrument: {
        event: (event) => {
          if (event.type === 'connection') breaksMs.push(nowMs());
        },
      },
      ...options,
    });
  } catch (error) {
    await broker.stop();
    throw error;
  }
  const left = async (): Promise<number> => {
    if (kind === 'event') return (await bus.events.depth(topic, subscriber)).total;
    return (await bus.data.lag(topic, subscriber)).records;
  };
  const letters = kind === 'event' ? bus.events : bus.data;
  const load = new Load(bus, setting, keys);
  return {
    broker,
    setting,
    bus,
    load,
    breaksMs,
    async prepare() {
      const bystander = async (): Promise<void> => undefined;
      const handle =
        kind === 'event'
          ? await bus.events.subscribe(topic, subscriber, bystander)
          : await bus.data.subscribe(topic, subscriber, bystander);
      await handle.close();
    },
    left,
    async settled() {
      await until(async () => (await left()) === 0, 10_000, 200);
      return left();
    },
    async dead() {
      const found = new Map<string, string>();
      for await (const { id, reason, message } of letters.deadLetters(topic, subscriber))
        found.set(id ?? 'no id', `${reason}: ${message}`);
      return found;
    },
    async [Symbol.asyncDispose]() {
      // a run that has failed may have left it going: it would keep the process
      const stopped = load.stop();
      try {
        await bus.close({ graceMs: 1_000 });
        await stopped;
      } finally {
        await broker.stop();
      }
    },
  };
}
