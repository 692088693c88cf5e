import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type BatchItem,
  type Delivery,
  idempotent,
  memoryStore,
  type StandardSchema,
  topic,
} from '@duobus/core';
import type { Container, ContainerModule } from 'inversify';
import {
  busModule,
  dataBusId,
  type DocumentBatchHandler,
  type DocumentHandler,
  eventBusId,
  handlesId,
  inBatches,
  onData,
  onEvents,
  type Subscription,
} from '../src/index.ts';
import { Journal, Mail, type Order, Orders, shopContainer, source } from './support/shop.ts';
import { until } from './support/until.ts';

const schemaOf = <T>(): StandardSchema<T, T> => ({
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as T }) },
});

/** Each knows its own number, and the number of the dependency it got. */
class Counted {
  static made = 0;
  readonly number: number = (Counted.made += 1);
  readonly #journal: Journal;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  handle({ orderId }: Order): void {
    this.#journal.lines.push(`${orderId} by ${this.number}`);
  }
}

async function loaded(
  container: Container,
  subscriptions: readonly Subscription[],
): Promise<ContainerModule> {
  const module = busModule(container, { source, subscriptions });
  await container.loadAsync(module);
  return module;
}

describe('a handler', () => {
  for (const [scope, distinct] of [
    ['Transient', 2],
    ['Request', 2],
    ['Singleton', 1],
  ] as const) {
    it(`is resolved for every document: in ${scope.toLowerCase()} scope ${distinct} for 2`, async () => {
      const container = shopContainer();
      const binding = container
        .bind(Counted)
        .toResolvedValue((journal) => new Counted(journal), [Journal]);
      binding[`in${scope}Scope`]();
      const module = await loaded(container, [onEvents(Orders, 'counted', Counted)]);
      const { lines } = container.get(Journal);
      await container.get(eventBusId).publish(Orders, { orderId: 'a' });
      await until(() => lines.length === 1);
      await container.get(eventBusId).publish(Orders, { orderId: 'b' });
      await until(() => lines.length === 2);
      assert.equal(new Set(lines.map((line) => line.split(' ').at(-1))).size, distinct);
      await container.unloadAsync(module);
    });
  }

  it('shares what is in request scope with what was made for the same document alone', async () => {
    class Request {
      readonly id: symbol = Symbol('request');
    }
    const seen: (readonly [Request, Request])[] = [];
    class Repository {
      readonly request: Request;
      constructor(request: Request) {
        this.request = request;
      }
    }
    class Handler {
      readonly #pair: readonly [Request, Request];
      constructor(request: Request, repository: Repository) {
        this.#pair = [request, repository.request];
      }
      handle(): void {
        seen.push(this.#pair);
      }
    }
    const container = shopContainer();
    container.bind(Request).toSelf().inRequestScope();
    container.bind(Repository).toResolvedValue((request) => new Repository(request), [Request]);
    container
      .bind(Handler)
      .toResolvedValue(
        (request, repository) => new Handler(request, repository),
        [Request, Repository],
      );
    const module = await loaded(container, [onEvents(Orders, 'requests', Handler)]);
    for (const orderId of ['1', '2']) await container.get(eventBusId).publish(Orders, { orderId });
    await until(() => seen.length === 2);
    assert.deepEqual(
      seen.map(([one, other]) => one === other),
      [true, true],
    );
    assert.notEqual(seen[0]?.[0], seen[1]?.[0]);
    await container.unloadAsync(module);
  });

  it('may have dependencies that are made asynchronously, and any identifier', async () => {
    const container = shopContainer();
    container.bind('journal').toDynamicValue(async ({ get }) => get(Journal));
    container
      .bind<DocumentHandler<Order>>('mail')
      .toResolvedValue((journal: Journal) => new Mail(journal), ['journal']);
    const module = await loaded(container, [onEvents(Orders, 'mail', 'mail')]);
    await container.get(eventBusId).publish(Orders, { orderId: '1' });
    const { lines } = container.get(Journal);
    await until(() => lines.length === 1);
    await container.unloadAsync(module);
  });

  it('gets the delivery, and is called as a method', async () => {
    const deliveries: Delivery[] = [];
    class Noting {
      readonly kept = deliveries;
      handle(_: Order, delivery: Delivery): void {
        this.kept.push(delivery);
      }
    }
    const container = shopContainer();
    container.bind(Noting).toSelf();
    const module = await loaded(container, [onData(Orders, 'noting', Noting)]);
    await container.get(dataBusId).publish(Orders, { orderId: '1' });
    await until(() => deliveries.length === 1);
    assert.deepEqual([deliveries[0]?.name, deliveries[0]?.bus], ['noting', 'data']);
    await container.unloadAsync(module);
  });

  it('can be one for each type of a topic', async () => {
    const Shop = topic('shop', {
      types: {
        'order.placed': schemaOf<{ orderId: string }>(),
        'order.paid': schemaOf<{ cents: number }>(),
      },
    });
    class Paid {
      readonly #journal: Journal;
      constructor(journal: Journal) {
        this.#journal = journal;
      }
      handle({ cents }: { cents: number }): void {
        this.#journal.lines.push(`${cents} cents`);
      }
    }
    const container = shopContainer();
    container.bind(Paid).toResolvedValue((journal) => new Paid(journal), [Journal]);
    const module = await loaded(container, [
      onEvents(Shop, 'books', { 'order.placed': Mail, 'order.paid': Paid }),
    ]);
    const events = container.get(eventBusId);
    await events.publish(Shop, { orderId: '1' }, { type: 'order.placed' });
    await events.publish(Shop, { cents: 7 }, { type: 'order.paid' });
    const { lines } = container.get(Journal);
    await until(() => lines.length === 2);
    assert.deepEqual(lines.toSorted(), ['1', '7 cents']);
    await container.unloadAsync(module);
  });

  it('can take many documents at a time', async () => {
    const sizes: number[] = [];
    class Search implements DocumentBatchHandler<Order> {
      handle = (items: readonly BatchItem<Order>[]): void => {
        sizes.push(items.length);
      };
    }
    const container = shopContainer();
    container.bind(Search).toSelf();
    const module = await loaded(container, [
      onEvents(Orders, 'search', inBatches(Search, { size: 2, waitMs: 60_000 })),
    ]);
    const documents = ['1', '2', '3', '4'].map((orderId) => ({ orderId }));
    await container.get(eventBusId).publishMany(Orders, documents);
    await until(() => sizes.length === 2);
    assert.deepEqual(sizes, [2, 2]);
    await container.unloadAsync(module);
  });

  it('that cannot be made for a document has failed: the document is tried again', async () => {
    const container = shopContainer();
    const { lines } = container.get(Journal);
    let made = 0;
    container.unbind(Mail);
    container.bind(Mail).toDynamicValue(({ get }) => {
      made += 1;
      if (made === 2) throw new Error('the pool is empty');
      return new Mail(get(Journal));
    });
    const options = { backoff: { firstMs: 1, maxMs: 1 } };
    const module = await loaded(container, [onEvents(Orders, 'mail', Mail, options)]);
    await container.get(eventBusId).publish(Orders, { orderId: '1' });
    await until(() => lines.length === 1);
    assert.equal(made, 3);
    const [handle] = container.get(handlesId);
    assert.equal(handle?.stats().failed, 1);
    await container.unloadAsync(module);
  });

  it('made with idempotent is known as such: a store that forgets too soon is refused', async () => {
    const store = memoryStore({ keepsForMs: 1_000 });
    class Once {
      readonly handle = idempotent<Order>(() => undefined, { store, scope: 'once' });
    }
    const container = shopContainer();
    container.bind(Once).toSelf();
    await assert.rejects(loaded(container, [onData(Orders, 'once', Once)]), {
      name: 'TypeError',
      message: /the store keeps its marks for 1000 ms/,
    });
  });
});

describe('onEvents, onData and inBatches', () => {
  it('refuse at once what is no identifier', () => {
    const missing = undefined as unknown as typeof Mail;
    assert.throws(() => onEvents(Orders, 'mail', missing), /onEvents 'mail': .* cycle of imports/);
    assert.throws(() => onData(Orders, 'mail', 7 as never), /onData 'mail': .* got number/);
    assert.throws(() => onData(Orders, 'mail', null as never), /got null/);
    assert.throws(() => onEvents(Orders, 'mail', { paid: 7 } as never), /type 'paid': .* number/);
    assert.throws(() => inBatches(missing as never), /inBatches: .* cycle of imports/);
  });

  it('know the documents of the topic', () => {
    class Wrong {
      handle(document: { readonly price: number }): number {
        return document.price;
      }
    }
    class WrongBatch {
      handle(items: readonly BatchItem<{ readonly price: number }>[]): number {
        return items.length;
      }
    }
    // @ts-expect-error -- its documents have no price
    onEvents(Orders, 'wrong', Wrong);
    // @ts-expect-error -- its documents have no price
    onData(Orders, 'wrong', inBatches(WrongBatch));
    // @ts-expect-error -- a handler has a method handle
    onEvents(Orders, 'wrong', Journal);
    // @ts-expect-error -- only groups begin somewhere
    onEvents(Orders, 'wrong', Mail, { from: 'latest' });
    assert.ok(onEvents([Orders, topic<Order>('more')], 'right', Mail));
  });
});
