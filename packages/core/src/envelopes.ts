/*
 * Envelopes that are made in one place and published in another: for an outbox, or a bridge between brokers.
 */
import type { Binding } from './binding.ts';
import type { DataBus } from './data-bus.ts';
import type { EventBus } from './event-bus.ts';
import { systemClock } from './internal/clock.ts';
import { prepare, type Prepared } from './prepare.ts';
import type { Envelope } from './prepare-envelope.ts';
import type { PublishOptions, Receipt } from './publish-options.ts';
import { currentDelivery } from './runtime/delivery-view.ts';
import type { PublishEnvelope } from './runtime/publishing.ts';
import { checkTopic } from './runtime/subscribing.ts';
import type { AnyTopic } from './topic.ts';

export { Bell } from './internal/bell.ts';
export { checkOptions } from './internal/check-options.ts';
export { isDocumentToPublish, publishOptionNames } from './internal/check-publish-options.ts';
export { checkFlag, checkInteger, checkOneOf, checkSignal } from './internal/check-values.ts';
export { checkSource } from './envelope.ts';
export { type Backoff, delayOf } from './runtime/backoff.ts';
export type { Envelope } from './prepare-envelope.ts';

/** What `makeEnvelope` has made. */
export interface MadeEnvelope extends Envelope {
  readonly id: string;
  /** The key of the document, which is also its attribute `partitionkey`. */
  readonly key: string | undefined;
}

const plain: Pick<Binding, 'encode'> = {
  encode: (attributes, data) => ({ headers: attributes, body: data }),
};

/**
 * Makes the envelope that `publish` would: validated by the topic's schema, with an id, a time, a key, a correlation and,
 * inside of a handler, the document it handles as its cause. A promise only where the topic's schema is asynchronous.
 * @throws TypeError for wrong options
 * @throws BusError DUOBUS_INVALID or DUOBUS_TOO_LARGE with outcome 'rejected'
 */
export function makeEnvelope(
  topic: AnyTopic,
  document: unknown,
  options: Omit<PublishOptions, 'signal'>,
  source: string,
): MadeEnvelope | Promise<MadeEnvelope> {
  checkTopic('publish', topic);
  const prepared = prepare(topic, document, options, {
    source,
    binding: plain as Binding,
    now: () => systemClock.now(),
    parent: currentDelivery.getStore(),
  });
  return prepared instanceof Promise ? prepared.then(made) : made(prepared);
}

function made({ id, key, record }: Prepared): MadeEnvelope {
  return {
    id,
    key,
    attributes: record.headers as Envelope['attributes'],
    data: record.body as Uint8Array,
  };
}

/**
 * Publishes an envelope as it is, on one of the buses of `connect`: its id, source and time stay its own. Order, buffers,
 * time limits and errors are those of `publish`; the topic's schema, codec and `maxBytes` are not asked.
 * @throws BusError as `publish`; DUOBUS_NOT_SUPPORTED where the adapter has no such bus
 */
export function publishEnvelope(
  bus: EventBus | DataBus,
  topic: AnyTopic,
  envelope: Envelope,
  signal?: AbortSignal,
): Promise<Receipt> {
  const { publishEnvelope: publish } = (bus ?? {}) as {
    readonly publishEnvelope?: PublishEnvelope;
  };
  if (typeof publish === 'function') return publish(topic, envelope, signal);
  throw new TypeError(
    'publishEnvelope: the bus must be one that connect has made, as bus.events or bus.data',
  );
}
