import {
  BusError,
  sameTopic,
  type StoredTopic,
  type TopologyMode,
  type WantedTopic,
} from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { topicsKey } from './keys.ts';
import { script } from './script.ts';

const ensureScript = script(`
local stored = redis.call('HGET', KEYS[1], ARGV[1]) or ARGV[2]
redis.call('HSET', KEYS[1], ARGV[1], stored)
return stored`);

const replaceScript = script(`
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1`);

/** The records of the topics of one kind. */
export class TopicRegistry {
  readonly #connection: Connection;
  readonly #kind: StoredTopic['kind'];

  constructor(connection: Connection, kind: StoredTopic['kind']) {
    this.#connection = connection;
    this.#kind = kind;
  }

  /** The stored record: of several that create one at once, one does. */
  async ensureTopic(wanted: WantedTopic, mode: TopologyMode): Promise<StoredTopic> {
    const { name } = wanted;
    if (mode === 'check') {
      const stored = await this.find(name);
      if (stored === undefined) throw this.#missing(name);
      return stored;
    }
    const text = await this.#connection.runKept(
      'commands',
      ensureScript,
      [topicsKey],
      [this.#field(name), JSON.stringify(wanted)],
      `make topic '${name}'`,
    );
    return decode(text as string);
  }

  async topics(names: readonly string[] | undefined): Promise<readonly StoredTopic[]> {
    return this.#connection.with('commands', 'list topics', async (client) => {
      if (names === undefined) {
        const all = await client.hgetall(topicsKey);
        return Object.entries(all)
          .filter(([field]) => field.startsWith(`${this.#kind}:`))
          .map(([, text]) => decode(text));
      }
      if (names.length === 0) return [];
      const texts = await client.hmget(topicsKey, ...names.map((name) => this.#field(name)));
      return texts.flatMap((text) => (text === null ? [] : [decode(text)]));
    });
  }

  async find(name: string): Promise<StoredTopic | undefined> {
    const [stored] = await this.topics([name]);
    return stored;
  }

  /** The record as it is now.
   *  @throws BusError DUOBUS_NOT_FOUND, also where a topic of that name has been made anew */
  async current(topic: StoredTopic): Promise<StoredTopic> {
    const stored = await this.find(topic.name);
    if (stored?.incarnation === topic.incarnation) return stored;
    throw this.#missing(topic.name);
  }

  /** Stores `next` if `current` is still what is stored.
   *  @throws BusError DUOBUS_CONFLICT, DUOBUS_NOT_FOUND, DUOBUS_REJECTED */
  async alterTopic(current: StoredTopic, next: StoredTopic): Promise<StoredTopic> {
    const { name } = current;
    if (next.partitions < current.partitions)
      throw new BusError(
        'DUOBUS_REJECTED',
        `Redis: topic '${name}' has ${current.partitions} partitions, which cannot become fewer`,
      );
    const stored = await this.current(current);
    if (!sameTopic(stored, current) || !(await this.replace(stored, next)))
      throw this.#conflict(name);
    return next;
  }

  /** Stores `next` if `stored` is what is stored, to the letter. */
  async replace(stored: StoredTopic, next: StoredTopic): Promise<boolean> {
    const replaced = await this.#connection.runKept(
      'commands',
      replaceScript,
      [topicsKey],
      [this.#field(stored.name), JSON.stringify(stored), JSON.stringify(next)],
      `alter topic '${stored.name}'`,
    );
    return replaced === 1;
  }

  #field(name: string): string {
    return `${this.#kind}:${name}`;
  }

  #conflict(name: string): BusError {
    return new BusError(
      'DUOBUS_CONFLICT',
      `Redis: ${this.#kind} topic '${name}' was altered by somebody else meanwhile: read it again`,
      { retryable: true, context: { topic: name } },
    );
  }

  #missing(name: string): BusError {
    return topicGone(this.#kind, name);
  }
}

export function topicGone(kind: StoredTopic['kind'], name: string): BusError {
  return new BusError(
    'DUOBUS_NOT_FOUND',
    `Redis: there is no ${kind} topic '${name}' (or it was made anew): run once with topology 'create'`,
    { context: { topic: name } },
  );
}

/** @throws BusError DUOBUS_DECODE for a version this code does not know. */
function decode(text: string): StoredTopic {
  let record: StoredTopic;
  try {
    record = JSON.parse(text) as StoredTopic;
  } catch (cause) {
    throw new BusError(
      'DUOBUS_DECODE',
      `Redis: the record of a topic in ${topicsKey} is not JSON: was it written by something else than duobus?`,
      { cause },
    );
  }
  if (record.v === 1) return record;
  throw new BusError(
    'DUOBUS_DECODE',
    `Redis: the record of a topic has version ${String((record as { v: unknown }).v)}, this version of duobus reads 1: upgrade this process`,
  );
}
