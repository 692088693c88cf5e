import { createHash } from 'node:crypto';
import { type Attributes, type Delivery, type Topic, topic } from '@duobus/core';
import type { Doc, Handed, PlainTopic } from './protocol.ts';

/** Of everything that the suite publishes. */
export const source = '/duobus/conformance';

/** The topic that a plain description is about. */
export function topicOf({ name, options }: PlainTopic): Topic<Doc> {
  const { keyed = true, ...rest } = options;
  return topic<Doc>(name, { ...rest, ...(keyed ? { key: (document: Doc) => document.key } : {}) });
}

/** The topic by name alone: it adopts what is stored. */
export function bare({ name }: PlainTopic): Topic<Doc> {
  return topicOf({ name, options: {} });
}

/** Stands for all that a reader gets of a document. `time` is the publisher's and the same at every reading. */
export function digestOf(document: unknown, attributes: Partial<Attributes>): string {
  const text =
    document instanceof Uint8Array
      ? Buffer.from(document).toString('base64')
      : JSON.stringify(document);
  const sorted = Object.entries(attributes).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([text, sorted]))
    .digest('base64url')
    .slice(0, 16);
}

/** What does not depend on the publisher's run time: for comparing with what was given to `publish`. */
export function stableAttributes(attributes: Attributes): Partial<Attributes> {
  const { id, source, type, subject, datacontenttype, partitionkey, specversion } =
    attributes as Readonly<Record<string, string>>;
  const kept = { id, source, type, subject, datacontenttype, partitionkey, specversion };
  return Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined));
}

/** With which key and digest a document has to arrive. */
export function toArrive(
  topic: PlainTopic,
  id: string,
  document: Doc,
): Pick<Handed, 'key' | 'digest'> {
  const key = topic.options.keyed === false ? undefined : document.key;
  const attributes = {
    id,
    source,
    type: topic.name,
    datacontenttype: 'application/json',
    specversion: '1.0' as const,
    ...(key === undefined ? {} : { partitionkey: key }),
  };
  return { key, digest: digestOf(document, attributes) };
}

/** A delivery as it goes into the history. */
export function handed(document: Doc, delivery: Delivery): Handed {
  return {
    run: document.run,
    id: delivery.id,
    n: document.n,
    key: delivery.key,
    digest: digestOf(document, stableAttributes(delivery.attributes)),
    whole: digestOf(document, delivery.attributes),
    attempt: delivery.attempt,
    cause: delivery.cause,
    redelivered: delivery.redelivered,
    partition: delivery.partition,
    position: delivery.position,
    epoch: delivery.epoch,
  };
}
