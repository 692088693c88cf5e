import { createHash } from 'node:crypto';
import type { DeadLetter, DeadLetterFilter, DeadLetters } from '../dead-letters.ts';
import type { Leased, QueueDriver, QueueMember, Settlement, StoredTopic } from '../driver.ts';
import type { Link } from './link.ts';
import { chooser } from './letter-filter.ts';
import { openRecord } from './runner.ts';
import { decodeState, encodeState, freshState } from './state.ts';

/** Settlements sent together, so that an interrupted redrive repeats little. */
const chunk = 100;

type Found =
  | {
      readonly member: QueueMember;
      readonly record: Leased;
      readonly letter: DeadLetter;
      readonly redrives: number;
    }
  | {
      readonly member: QueueMember;
      readonly record?: undefined;
      readonly letter?: undefined;
      readonly redrives?: undefined;
    };

/** The dead letters of a subscription: an ordinary queue that nobody consumes. */
export class QueueDeadLetters implements DeadLetters {
  readonly #driver: QueueDriver;
  readonly #link: Link;
  readonly #topic: () => Promise<StoredTopic>;
  readonly #name: string;

  constructor(driver: QueueDriver, link: Link, topic: () => Promise<StoredTopic>, name: string) {
    this.#driver = driver;
    this.#link = link;
    this.#topic = topic;
    this.#name = name;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<DeadLetter> {
    const seen = new Set<string>();
    for await (const { letter } of this.#pass()) {
      if (letter === undefined || seen.has(letter.identity)) continue;
      seen.add(letter.identity);
      yield letter;
    }
  }

  redrive(filter?: DeadLetterFilter): Promise<number> {
    return this.#settle(filter, (token, redrives) => ({
      token,
      verdict: 'again',
      delayMs: 0,
      state: encodeState({ ...freshState, cause: 'redrive', redrives: redrives + 1 }),
    }));
  }

  purge(filter?: DeadLetterFilter): Promise<number> {
    return this.#settle(filter, (token) => ({ token, verdict: 'done' }));
  }

  async #settle(
    filter: DeadLetterFilter | undefined,
    verdict: (token: unknown, redrives: number) => Settlement,
  ): Promise<number> {
    const chosen = chooser(filter);
    /** Identity to how often it had been redriven: a twin has the same count, one that died again after this redrive more. */
    const settled = new Map<string, number>();
    let batch: Settlement[] = [];
    for await (const { letter, record, redrives, member } of this.#pass()) {
      if (record === undefined || batch.length >= chunk) await member.settle(batch.splice(0));
      if (record === undefined || !chosen(letter)) continue;
      const first = settled.get(letter.identity);
      if (first === undefined) {
        settled.set(letter.identity, redrives);
        batch.push(verdict(record.token, redrives));
      } else if (first === redrives) {
        // What it is a twin of must be stored before it is removed.
        await member.settle(batch.splice(0));
        batch.push({ token: record.token, verdict: 'done' });
      }
    }
    return settled.size;
  }

  /** Everything there is, once, then an end without record. What is not settled stays. */
  async *#pass(): AsyncGenerator<Found> {
    const topic = await this.#topic();
    const member = await this.#link.request((signal) =>
      this.#driver.consume(topic, this.#name, 'dead', 65_535, signal),
    );
    const never = new AbortController().signal;
    try {
      for (;;) {
        for (const event of await member.receive(never)) {
          if (event.type === 'lost' || event.type === 'gone') throw event.error;
          if (event.type === 'idle') {
            yield { member };
            return;
          }
          if (event.type !== 'records') continue;
          for (const record of event.records)
            yield {
              member,
              record,
              letter: this.#letter(topic, record),
              redrives: decodeState(record.state).redrives,
            };
        }
      }
    } finally {
      await member.close();
    }
  }

  #letter(topic: StoredTopic, record: Leased): DeadLetter {
    const { envelope } = openRecord(record, this.#driver.binding);
    const state = decodeState(record.state);
    const data = envelope?.data ?? record.body ?? new Uint8Array();
    const attributes = envelope?.attributes;
    const own =
      attributes === undefined
        ? [createHash('sha256').update(data).digest('base64url')]
        : [attributes.source, attributes.id];
    return {
      identity: JSON.stringify([topic.name, this.#name, ...own]),
      topic: topic.name,
      name: this.#name,
      id: attributes?.id,
      source: attributes?.source,
      type: attributes?.type,
      attributes,
      data,
      reason: state.dead?.reason ?? 'rejected',
      message: state.dead?.message ?? '',
      attempts: state.failed,
      deadAt: state.dead?.at ?? 0,
      position: undefined,
      epoch: undefined,
    };
  }
}
