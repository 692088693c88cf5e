import type { Bus, PublishOptions } from '@duobus/core';
import type { EventTopics, Happenings, JournalEntry, ShopTopics } from './topics.ts';

/** Says what has happened over both buses. */
export class Announcer {
  readonly #bus: Bus;
  readonly #topics: ShopTopics;

  constructor(bus: Bus, topics: ShopTopics) {
    this.#bus = bus;
    this.#topics = topics;
  }

  /** In the journal first: what follows from it comes after it there. */
  async announce<What extends keyof Happenings>(
    what: What,
    document: Happenings[What],
    options: PublishOptions = {},
  ): Promise<void> {
    const entry = { what, ...document } as JournalEntry;
    await this.#bus.data.publish(this.#topics.journal, entry, options);
    const topics: EventTopics = this.#topics;
    await this.#bus.events.publish(topics[what], document, options);
  }
}
