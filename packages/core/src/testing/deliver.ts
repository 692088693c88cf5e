import { binaryBinding } from '../binding.ts';
import type { Bus } from '../bus.ts';
import { type Cause, causes, type Delivery, type Handler } from '../delivery.ts';
import { decodeAttributes, decodeDocument } from '../decode.ts';
import type { IdempotenceStore } from '../idempotence.ts';
import { checkText } from '../envelope.ts';
import { checkOptions } from '../internal/check-options.ts';
import { checkInteger, checkOneOf, checkSignal } from '../internal/check-values.ts';
import { checkName } from '../names.ts';
import { checkTopic } from '../runtime/subscribing.ts';
import type { Clock } from '../internal/clock.ts';
import { once } from '../once.ts';
import { prepare } from '../prepare.ts';
import type { PublishOptions } from '../publish-options.ts';
import { topic as topicOf } from '../topic.ts';
import type { AnyTopic } from '../topic.ts';

/** What the handler is told about the document. */
export interface DeliverOptions extends Omit<PublishOptions, 'signal' | 'cause'> {
  /** The topic: its schema, key and type apply. Default: a topic 'test' that takes anything. */
  readonly topic?: AnyTopic;
  /** Subscription or group. Default 'test'. */
  readonly name?: string;
  /** Default 'event'. */
  readonly bus?: 'event' | 'data';
  /** Default 1. */
  readonly attempt?: number;
  /** Why it comes. Default 'first' for attempt 1, else 'retry'. */
  readonly why?: Cause;
  /** Where it is on the data bus. Default: nowhere. */
  readonly position?: string;
  /** Tells the handler to stop. Default: one that never does. */
  readonly signal?: AbortSignal;
}

const names = [
  'topic',
  'name',
  'bus',
  'attempt',
  'why',
  'position',
  'signal',
  'id',
  'type',
  'subject',
  'time',
  'key',
  'correlationId',
  'causationId',
  'extensions',
];

export interface DeliverHome {
  readonly bus: Pick<Bus, 'events' | 'data'>;
  readonly source: string;
  readonly clock: Clock;
  readonly store: IdempotenceStore | undefined;
}

const binding = binaryBinding({ prefix: 'ce_', contentType: 'content-type' });

/** Calls a handler with a document as a broker would have brought it, without one. */
export async function deliver<Out>(
  home: DeliverHome,
  handler: Handler<Out>,
  document: unknown,
  options: DeliverOptions = {},
): Promise<unknown> {
  checkOptions('deliver', options, names);
  const {
    topic = topicOf('test'),
    name = 'test',
    bus = 'event',
    attempt = 1,
    why,
    position,
    signal,
    ...publishOptions
  } = options;
  checkTopic('deliver', topic);
  checkName(bus === 'data' ? 'group' : 'subscription', name);
  checkOneOf('deliver', 'bus', bus, ['event', 'data']);
  checkInteger('deliver', 'attempt', attempt, 1, Number.MAX_SAFE_INTEGER);
  checkOneOf('deliver', 'why', why, causes);
  if (position !== undefined) checkText('deliver: position', position, 1);
  checkSignal('deliver', signal);
  const { source, clock, store } = home;
  const { record } = await prepare(topic, document, publishOptions, {
    source,
    binding,
    now: () => clock.now(),
  });
  const { attributes, data, key } = decodeAttributes(record, binding);
  const decoded = await decodeDocument(topic, { attributes, data });
  if (decoded.kind === 'skip') return undefined;
  const cause = why ?? (attempt === 1 ? 'first' : 'retry');
  const delivery: Delivery = {
    bus,
    topic: topic.name,
    name,
    id: attributes.id,
    source: attributes.source,
    type: attributes.type,
    key,
    attributes,
    attempt,
    cause,
    redelivered: cause !== 'first',
    position,
    appendedAt: bus === 'data' ? clock.now() : undefined,
    partition: 0,
    epoch: 0,
    signal: signal ?? new AbortController().signal,
    publish: async (to, published, more) =>
      (bus === 'event' ? home.bus.events : home.bus.data).publish(to, published, {
        cause: delivery,
        ...more,
      }),
    once: async (scope, effect) => {
      if (store === undefined)
        throw new TypeError('delivery.once needs a store: testBus({ store: memoryStore() })');
      return once(store, delivery, scope, 300_000, effect, clock);
    },
  };
  return handler(decoded.document as Out, delivery);
}
