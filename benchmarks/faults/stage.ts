import { type Broker, startBroker } from '@duobus/brokers';
import { type Bus, type BusOptions, connect } from '@duobus/core';
import type { FaultOptions } from './fault-options.ts';
import { faultTopic, Load, type Setting } from './load.ts';
import { nowMs } from './sighting.ts';

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
  /** Reasons of the dead letters by id. */
  dead(): Promise<ReadonlyMap<string, string>>;
}

export async function openStage(
  { name, adapter, bus: kind, order, broker: version }: FaultOptions,
  partitions: number,
  options: Partial<BusOptions> = {},
): Promise<Stage> {
  const broker = await startBroker(version ?? adapter);
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
  const letters = kind === 'event' ? bus.events : bus.data;
  return {
    broker,
    setting,
    bus,
    load: new Load(bus, setting, keys),
    breaksMs,
    async prepare() {
      const bystander = async (): Promise<void> => undefined;
      const handle =
        kind === 'event'
          ? await bus.events.subscribe(topic, subscriber, bystander)
          : await bus.data.subscribe(topic, subscriber, bystander);
      await handle.close();
    },
    async left() {
      if (kind === 'event') return (await bus.events.depth(topic, subscriber)).total;
      return (await bus.data.lag(topic, subscriber)).records;
    },
    async dead() {
      const found = new Map<string, string>();
      for await (const { id, reason, message } of letters.deadLetters(topic, subscriber))
        found.set(id ?? 'no id', `${reason}: ${message}`);
      return found;
    },
    async [Symbol.asyncDispose]() {
      try {
        await bus.close({ graceMs: 1_000 });
      } finally {
        await broker.stop();
      }
    },
  };
}
