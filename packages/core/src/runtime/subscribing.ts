import { checkName } from '../names.ts';
import { storeOf } from '../idempotence.ts';
import type { Delivery } from '../delivery.ts';
import { BusError } from '../errors.ts';
import { once } from '../once.ts';
import type { StoredTopic } from '../driver.ts';
import type { AnyTopic } from '../topic.ts';
import type { Consume } from './consume-options.ts';
import { ConsumerHandle } from './consumer-handle.ts';
import type { Context } from './context.ts';
import type { DeliveryHome } from './delivery-view.ts';
import type { Publishing } from './publishing.ts';
import { makeRunner, type AnyHandler } from './runner.ts';

/** What both kinds of subscribe have in common. */
export function checkSubscribe(
  kind: 'subscription' | 'group',
  given: unknown,
  name: string,
): readonly AnyTopic[] {
  const topics = (Array.isArray(given) ? given : [given]) as readonly AnyTopic[];
  checkName(kind, name);
  if (topics.length === 0) throw new TypeError('subscribe: name at least one topic');
  for (const topic of topics) checkTopic('subscribe', topic);
  if (new Set(topics.map((topic) => topic.name)).size < topics.length)
    throw new TypeError('subscribe: a topic is named twice');
  return topics;
}

export function checkTopic(call: string, topic: unknown): asserts topic is AnyTopic {
  const { name, options, types } = (topic ?? {}) as Partial<AnyTopic>;
  if (typeof name !== 'string' || typeof options !== 'object' || !(types instanceof Map))
    throw new TypeError(`${call}: the topic must be made with topic(name, options)`);
}

export function makeHandle(
  context: Context,
  consume: Consume,
  topics: readonly AnyTopic[],
  handler: AnyHandler,
  publishing: Publishing,
  handles: Set<ConsumerHandle>,
): ConsumerHandle {
  const { bus, name, handlerTimeoutMs } = consume;
  const home: DeliveryHome = {
    bus,
    name,
    publish: (topic, document, options) => publishing.publish(topic, document, options),
    once: (scope, effect, delivery: Delivery) => {
      const { store } = context.options;
      if (store === undefined)
        throw new TypeError(
          'delivery.once: there is no store: pass one to connect, e.g. { store: memoryStore() }',
        );
      return once(store, delivery, scope, handlerTimeoutMs, effect, context.clock);
    },
  };
  const runner = makeRunner({
    handler,
    topics,
    middleware: [...context.middleware],
    instrument: context.options.instrument,
    home,
  });
  const handle = new ConsumerHandle(context, consume, runner, (closed) => handles.delete(closed));
  handles.add(handle);
  return handle;
}

/** Marks that are forgotten before the documents are would let a replay repeat an effect (design: 5). */
export function checkStoreKeeps(handler: unknown, stored: StoredTopic): void {
  const store = storeOf(handler);
  if (store === undefined || store.keepsForMs === null) return;
  const { maxAgeMs } = stored.retention;
  if (stored.kind === 'event' || (maxAgeMs !== null && store.keepsForMs >= maxAgeMs)) return;
  throw new TypeError(
    `subscribe: the store keeps its marks for ${store.keepsForMs} ms, and topic '${stored.name}' its documents ${maxAgeMs === null ? 'for ever' : `for ${maxAgeMs} ms`}: a replay could repeat an effect. Give the store a longer time, or null`,
  );
}

/** Opens feeds, and takes everything back when one fails. */
export async function openAll(
  handle: ConsumerHandle,
  opens: readonly (() => Promise<void>)[],
): Promise<void> {
  try {
    for (const open of opens) await open();
  } catch (error) {
    handle.done.catch(() => undefined); // the caller of subscribe is told, nobody has the handle
    await handle.close(0);
    throw error;
  }
}

export function notSupported(half: 'events' | 'data', name: string): BusError {
  const other = half === 'events' ? 'data bus' : 'event bus';
  return new BusError(
    'DUOBUS_NOT_SUPPORTED',
    `adapter '${name}' has no ${half === 'events' ? 'event bus' : 'data bus'}, only a ${other}: pass another adapter for it, connect({ events, data }, ...)`,
    { context: { adapter: name } },
  );
}
