import type { StoredTopic } from '@duobus/core/driver';
import type { Provided } from '../../src/queue-registry.ts';
import { soon } from './queue-connection.ts';
import type { TestDriver } from './queues.ts';

interface Stored {
  readonly uid: string;
  readonly state: string;
  readonly queues: readonly [Provided, ...Provided[]];
}

const keyOf = ({ connection }: TestDriver, { incarnation }: StoredTopic, name: string): string =>
  `${connection.settings.root}events/${incarnation}/subscriptions/${name}`;

/** What is stored about a subscription. */
export async function registration(
  opened: TestDriver,
  topic: StoredTopic,
  name = 'sub',
): Promise<Stored> {
  const found = await opened.connection.store.get(keyOf(opened, topic, name), soon());
  return JSON.parse(Buffer.from(found?.body ?? []).toString()) as Stored;
}

/** Puts something else in its place. */
export async function reregister(
  opened: TestDriver,
  topic: StoredTopic,
  change: (stored: Stored) => object,
  name = 'sub',
): Promise<void> {
  const body = Buffer.from(JSON.stringify(change(await registration(opened, topic, name))));
  await opened.connection.store.put(keyOf(opened, topic, name), body, undefined, soon());
}
