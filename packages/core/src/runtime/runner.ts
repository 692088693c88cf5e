import type {
  BatchHandler,
  BatchItem,
  Delivery,
  Handler,
  Middleware,
  TypeHandlers,
} from '../delivery.ts';
import { reject as rejection, retryAfter } from '../delivery.ts';
import {
  decodeAttributes,
  decodeDocument,
  DecodeFailure,
  type Decoded,
  type Envelope,
  type Skipped,
} from '../decode.ts';
import type { Binding } from '../binding.ts';
import type { InboundRecord } from '../driver.ts';
import { BusError } from '../errors.ts';
import type { Instrument } from '../instrument.ts';
import type { AnyTopic } from '../topic.ts';
import { currentDelivery, DeliveryView, type DeliveryHome } from './delivery-view.ts';
import type { BatchResult, BatchRunner } from './batches.ts';
import type { Runner } from './dispatcher.ts';
import type { Item } from './item.ts';

export type AnyHandler = Handler<never> | TypeHandlers<Record<string, never>> | BatchHandler<never>;

export interface Handling {
  readonly handler: AnyHandler;
  readonly topics: readonly AnyTopic[];
  readonly middleware: readonly Middleware[];
  readonly instrument: Instrument | undefined;
  readonly home: DeliveryHome;
}

type Content = Decoded | Skipped;

/** Reads the envelope of a record; what cannot be read is the reason why. */
export function openRecord(
  record: InboundRecord,
  binding: Binding,
): { readonly envelope?: Envelope; readonly broken?: DecodeFailure } {
  try {
    return { envelope: decodeAttributes(record, binding) };
  } catch (error) {
    if (error instanceof DecodeFailure) return { broken: error };
    throw error;
  }
}

/** @throws TypeError for what is no handler. */
export function makeRunner(handling: Handling): Runner {
  const { handler } = handling;
  const topics = new Map(handling.topics.map((topic) => [topic.name, topic]));
  const contentOf = (item: Item): Content | Promise<Content> => {
    if (item.broken !== undefined) throw item.broken;
    const topic = topics.get(item.part.source.topic.name) as AnyTopic;
    return decodeDocument(topic, {
      attributes: item.attributes as NonNullable<Item['attributes']>,
      data: item.data,
    });
  };
  if (isBatch(handler)) return batchRunner(handler, handling, contentOf);
  const call = compose(pick(handler, handling.topics), handling);
  const hand = (item: Item, content: Content): unknown => {
    if (content.kind === 'document')
      return call(content.document, new DeliveryView(item, handling.home), content.type);
    return undefined;
  };
  return {
    one(item) {
      const content = contentOf(item);
      return content instanceof Promise
        ? content.then((read) => hand(item, read))
        : hand(item, content);
    },
  };
}

type Call = (document: unknown, delivery: Delivery, type: string) => unknown;

function pick(handler: AnyHandler, topics: readonly AnyTopic[]): Call {
  if (typeof handler === 'function') return handler as unknown as Call;
  if (typeof handler !== 'object' || handler === null)
    throw new TypeError(
      `subscribe: the handler must be a function, handlers by type, or batch(...), got ${handler === null ? 'null' : typeof handler}`,
    );
  const types = new Set(topics.flatMap((topic) => [...topic.types.keys()]));
  const byType = new Map(Object.entries(handler as Record<string, Handler | undefined>));
  for (const [type, one] of byType) {
    if (one !== undefined && typeof one !== 'function')
      throw new TypeError(`subscribe: the handler of type '${type}' must be a function`);
    if (!types.has(type))
      throw new TypeError(
        `subscribe: there is a handler for type '${type}', and the topic has only '${[...types].join("', '")}'`,
      );
  }
  return (document, delivery, type) => byType.get(type)?.(document, delivery);
}

/** Instrument innermost around the handler, middleware around it, the async context around all. */
function compose(call: Call, { middleware, instrument }: Handling): Call {
  let composed = call;
  const handle = instrument?.handle?.bind(instrument);
  if (handle !== undefined)
    composed = (document, delivery, type) => handle(delivery, () => call(document, delivery, type));
  for (const layer of middleware.toReversed()) {
    const inner = composed;
    composed = (document, delivery, type) =>
      layer(delivery, async () => inner(document, delivery, type));
  }
  return (document, delivery, type) =>
    currentDelivery.run(delivery, composed, document, delivery, type);
}

function isBatch(handler: AnyHandler): handler is BatchHandler<never> {
  return (
    typeof handler === 'object' &&
    handler !== null &&
    handler.kind === 'batch' &&
    typeof handler.handle === 'function'
  );
}

function batchRunner(
  handler: BatchHandler<never>,
  { home }: Handling,
  contentOf: (item: Item) => Content | Promise<Content>,
): Runner {
  const run: BatchRunner['run'] = async (items) => {
    const results: BatchResult[] = items.map(() => ({ outcome: 'done' }));
    const taken: { readonly at: number; readonly view: BatchEntry }[] = [];
    for (const [at, item] of items.entries()) {
      try {
        const content = await contentOf(item);
        if (content.kind === 'document')
          taken.push({ at, view: new BatchEntry(content.document, new DeliveryView(item, home)) });
      } catch (error) {
        results[at] = { outcome: 'failed', error };
      }
    }
    if (taken.length === 0) return results;
    let thrown: { readonly error: unknown } | undefined;
    // One controller for all items of a batch.
    const { signal } = (taken[0] as (typeof taken)[number]).view.delivery;
    try {
      await handler.handle(
        taken.map(({ view }) => view) as unknown as readonly BatchItem<never>[],
        signal,
      );
    } catch (error) {
      thrown = { error };
    }
    for (const { at, view } of taken) {
      results[at] =
        view.result ??
        (thrown === undefined ? { outcome: 'done' } : { outcome: 'failed', error: thrown.error });
    }
    return results;
  };
  return {
    batch: { size: handler.size, waitMs: handler.waitMs, run },
    async one(item) {
      const [result] = (await run([item])) as [BatchResult];
      if (result.outcome === 'failed') throw result.error;
    },
  };
}

/** The first verdict counts. */
class BatchEntry implements BatchItem {
  readonly document: unknown;
  readonly delivery: Delivery;
  result: BatchResult | undefined;

  constructor(document: unknown, delivery: Delivery) {
    this.document = document;
    this.delivery = delivery;
  }

  done(): void {
    this.result ??= { outcome: 'done' };
  }

  retry(cause?: unknown, afterMs?: number): void {
    const error =
      cause ??
      new BusError('DUOBUS_REJECTED', 'the batch handler asked for a retry', { retryable: true });
    this.result ??= {
      outcome: 'failed',
      error: afterMs === undefined ? error : retryAfter(afterMs, error),
    };
  }

  reject(reason: string): void {
    this.result ??= { outcome: 'failed', error: rejection(reason) };
  }
}
