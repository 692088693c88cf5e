import type {
  AnyTopic,
  BatchItem,
  BatchOptions,
  Delivery,
  OutOf,
  SubscribeDataOptions,
  SubscribeEventsOptions,
  TypesOf,
} from '@duobus/core';
import type { ServiceIdentifier } from 'inversify';

/** A handler as an object: its class is bound in the container and gets its dependencies from there. */
export interface DocumentHandler<Out = unknown> {
  readonly handle: (document: Out, delivery: Delivery) => unknown;
}

/** A handler for many documents at a time, as an object: see `inBatches`. */
export interface DocumentBatchHandler<Out = unknown> {
  readonly handle: (items: readonly BatchItem<Out>[], signal: AbortSignal) => unknown;
}

/** What `inBatches` returns. */
export interface Batched<Out = unknown> {
  readonly kind: 'batch';
  readonly handler: ServiceIdentifier<DocumentBatchHandler<Out>>;
  readonly options: BatchOptions;
}

/** Handlers by CloudEvents type, for topics with several. Types without a handler are settled unseen. */
export type TypeHandlerIds<Types> = [Types] extends [never]
  ? never
  : {
      readonly [K in keyof Types]?: ServiceIdentifier<
        DocumentHandler<Types[K] extends { readonly out: infer Out } ? Out : never>
      >;
    };

/** What handles the documents of a topic: the identifier of a handler, one for each type, or `inBatches`. */
export type HandlerIds<T extends AnyTopic | readonly AnyTopic[]> =
  | ServiceIdentifier<DocumentHandler<OutOf<T>>>
  | TypeHandlerIds<TypesOf<T>>
  | Batched<OutOf<T>>;

/** A subscription of a module: made by `onEvents` or `onData`. */
export type Subscription = EventsSubscription | DataSubscription;

interface EventsSubscription extends Wanted {
  readonly bus: 'event';
  readonly options: SubscribeEventsOptions;
}

interface DataSubscription extends Wanted {
  readonly bus: 'data';
  readonly options: SubscribeDataOptions;
}

interface Wanted {
  readonly topic: AnyTopic | readonly AnyTopic[];
  /** The subscription or group. */
  readonly name: string;
  readonly handler: ServiceIdentifier | Batched<never> | Readonly<Record<string, unknown>>;
}

/** A subscription on the event bus.
 *  @example onEvents(Orders, 'mail', MailHandler, { concurrency: 4 }) */
export function onEvents<const T extends AnyTopic | readonly AnyTopic[]>(
  topic: T,
  name: string,
  handler: HandlerIds<T>,
  options: SubscribeEventsOptions = {},
): Subscription {
  return { bus: 'event', topic, name, handler: checked('onEvents', name, handler), options };
}

/** A member of a group on the data bus.
 *  @example onData(Orders, 'analytics', AnalyticsHandler, { from: 'latest' }) */
export function onData<const T extends AnyTopic | readonly AnyTopic[]>(
  topic: T,
  group: string,
  handler: HandlerIds<T>,
  options: SubscribeDataOptions = {},
): Subscription {
  return { bus: 'data', topic, name: group, handler: checked('onData', group, handler), options };
}

/** Hands many documents at a time to a handler: what `batch` is for functions.
 *  @example onData(Orders, 'search', inBatches(SearchHandler, { size: 200 })) */
export function inBatches<Out>(
  handler: ServiceIdentifier<DocumentBatchHandler<Out>>,
  options: BatchOptions = {},
): Batched<Out> {
  if (!isId(handler)) throw new TypeError(`inBatches: ${expected(handler)}`);
  return { kind: 'batch', handler, options };
}

export function isId(value: unknown): value is ServiceIdentifier {
  return ['string', 'symbol', 'function'].includes(typeof value);
}

export function isBatched(handler: Wanted['handler']): handler is Batched<never> {
  return typeof handler === 'object' && handler['kind'] === 'batch' && isId(handler['handler']);
}

function checked(call: string, name: string, handler: unknown): Wanted['handler'] {
  if (isId(handler)) return handler;
  if (typeof handler !== 'object' || handler === null || Array.isArray(handler))
    throw new TypeError(`${call} '${name}': ${expected(handler)}`);
  const byType = handler as Readonly<Record<string, unknown>>;
  if (isBatched(byType)) return byType;
  for (const [type, one] of Object.entries(byType)) {
    if (one !== undefined && !isId(one))
      throw new TypeError(`${call} '${name}', type '${type}': ${expected(one)}`);
  }
  return byType;
}

/** A class that is undefined here is one whose file is still being loaded: the usual way to get here. */
function expected(handler: unknown): string {
  return `the handler must be a class or another identifier of the container, got ${handler === null ? 'null' : typeof handler}${handler === undefined ? ' (is there a cycle of imports?)' : ''}`;
}
