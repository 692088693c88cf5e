// #region handler
import 'reflect-metadata';
import { type EventBus, topic } from '@duobus/core';
import { busModule, busTargetId, eventBusId, onEvents } from '@duobus/inversify';
import { Container, inject, injectable } from 'inversify';

const Orders = topic<{ orderId: string }>('orders');
const Invoices = topic<{ orderId: string; number: number }>('invoices');

@injectable('Singleton')
class Numbers {
  #last = 0;
  next(): number {
    return (this.#last += 1);
  }
}

@injectable()
class BillingHandler {
  readonly #numbers: Numbers;
  readonly #events: EventBus;

  constructor(numbers: Numbers, @inject(eventBusId) events: EventBus) {
    this.#numbers = numbers;
    this.#events = events;
  }

  async handle({ orderId }: { orderId: string }): Promise<void> {
    await this.#events.publish(Invoices, { orderId, number: this.#numbers.next() });
  }
}

const container = new Container();
container.bind(busTargetId).toConstantValue(process.env.BUS_URL);
container.bind(Numbers).toSelf();
container.bind(BillingHandler).toSelf();
await container.loadAsync(
  busModule(container, {
    source: '/shop',
    subscriptions: [onEvents(Orders, 'billing', BillingHandler)],
  }),
);
// #endregion handler

const events = container.get(eventBusId);
const numbers: number[] = [];
let seen!: () => void;
const both = new Promise<void>((resolve) => {
  seen = resolve;
});
await events.subscribe(Invoices, 'printer', ({ number }) => {
  if (numbers.push(number) === 2) seen();
});
for (const orderId of ['1', '2']) await events.publish(Orders, { orderId });
await both;
await container.unbindAllAsync();
process.stdout.write(`${numbers.toSorted((a, b) => a - b).join(' ')}\n`);
