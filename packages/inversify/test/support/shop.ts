import { topic } from '@duobus/core';
import { memory, MemoryBroker } from '@duobus/memory';
import { Container } from 'inversify';
import { busTargetId } from '../../src/index.ts';

export const source = '/shop';

export interface Order {
  readonly orderId: string;
}

export const Orders = topic<Order>('orders');
export const Invoices = topic<Order>('invoices');

/** What handlers of these tests get injected. */
export class Journal {
  readonly lines: string[] = [];
}

export class Mail {
  readonly #journal: Journal;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  handle({ orderId }: Order): void {
    this.#journal.lines.push(orderId);
  }
}

/** A container as a program has it before its bus is loaded. */
export function shopContainer(broker: MemoryBroker = new MemoryBroker('shop')): Container {
  const container = new Container();
  container.bind(busTargetId).toDynamicValue(() => memory(broker));
  container.bind(Journal).toSelf().inSingletonScope();
  container.bind(Mail).toResolvedValue((journal) => new Mail(journal), [Journal]);
  return container;
}
