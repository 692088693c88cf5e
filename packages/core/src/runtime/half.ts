import type { LogDriver, QueueDriver } from '../driver.ts';
import type { Context } from './context.ts';
import { Link } from './link.ts';
import { Publisher } from './publisher.ts';
import { Publishing } from './publishing.ts';
import { TopicCache } from './topics.ts';

/** What both buses are made of, over one driver. */
export interface Half<D> {
  readonly driver: D;
  readonly link: Link;
  readonly topics: TopicCache;
  readonly publisher: Publisher;
  readonly publishing: Publishing;
}

export function makeHalf<D extends QueueDriver | LogDriver>(driver: D, context: Context): Half<D> {
  const bus = driver.kind === 'queue' ? 'event' : 'data';
  const link = new Link(driver, bus, context);
  const topics = new TopicCache(driver, bus, link, context);
  const { publish } = driver.capabilities;
  const publisher = new Publisher(context, link, {
    publish,
    send: (topic, partition, records, signal) =>
      driver.kind === 'queue'
        ? driver.publish(topic, partition, records, signal)
        : driver.append(topic, partition, records, signal),
  });
  const publishing = new Publishing({
    bus,
    context,
    topics,
    publisher,
    binding: driver.binding,
    capabilities: driver.capabilities,
  });
  return { driver, link, topics, publisher, publishing };
}
