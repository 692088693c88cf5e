import {
  BusError,
  sameTopic,
  type StoredTopic,
  type TopologyMode,
  type WantedTopic,
} from '@duobus/core/driver';
import type { ObjectStore } from './object-store.ts';

/** What a driver keeps with the record of a topic: names that the broker has given. */
export type TopicNotes = Readonly<Record<string, string>>;

export interface ShelvedTopic {
  readonly topic: StoredTopic;
  readonly notes: TopicNotes;
}

export interface ShelfOptions {
  readonly store: ObjectStore;
  readonly kind: StoredTopic['kind'];
  /** What the keys of all objects begin with; empty, or ends with '/'. */
  readonly root: string;
  /** Makes what a topic needs besides its record, before there is one; of several who do so at once one is kept. */
  make(wanted: WantedTopic, signal: AbortSignal): Promise<TopicNotes>;
  /** Removes what `make` has made: somebody else's topic is kept. */
  unmake(notes: TopicNotes, wanted: WantedTopic, signal: AbortSignal): Promise<void>;
}

interface Versioned extends ShelvedTopic {
  readonly etag: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The records of topics, an object each, written by compare and set. */
export class TopicShelf {
  readonly #options: ShelfOptions;
  readonly #prefix: string;
  /** A topic never gets other notes, only a successor with notes of its own. */
  readonly #notes = new Map<string, TopicNotes>();

  constructor(options: ShelfOptions) {
    this.#options = options;
    this.#prefix = `${options.root}topics/${options.kind}/`;
  }

  /** The stored record: of several that create one at once, one does.
   *  @throws BusError DUOBUS_NOT_FOUND where nothing is to be created */
  async ensure(wanted: WantedTopic, mode: TopologyMode, signal: AbortSignal): Promise<StoredTopic> {
    for (;;) {
      const known = await this.#get(wanted.name, signal);
      if (known !== undefined) return known.topic;
      if (mode === 'check') throw topicGone(this.#options.kind, wanted.name);
      const notes = await this.#options.make(wanted, signal);
      const shelved = encode({ topic: wanted, notes });
      const put = await this.#options.store.put(
        this.#key(wanted.name),
        shelved,
        { absent: true },
        signal,
      );
      if (put !== 'conflict') return wanted;
      const other = await this.#get(wanted.name, signal);
      // a write whose reply was lost looks like somebody else's
      if (other?.topic.incarnation === wanted.incarnation) return other.topic;
      await this.#options.unmake(notes, wanted, signal);
    }
  }

  async topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    const wanted = names ?? (await this.#names(signal));
    const found = await Promise.all(wanted.map((name) => this.#get(name, signal)));
    return found.flatMap((known) => (known === undefined ? [] : [known.topic]));
  }

  /** The record as it is now.
   *  @throws BusError DUOBUS_NOT_FOUND, also where a topic of that name has been made anew */
  async current(topic: StoredTopic, signal: AbortSignal): Promise<ShelvedTopic> {
    const known = await this.#get(topic.name, signal);
    if (known?.topic.incarnation === topic.incarnation) return known;
    throw topicGone(topic.kind, topic.name);
  }

  /** What `make` has told of a topic. */
  async notesOf(topic: StoredTopic, signal: AbortSignal): Promise<TopicNotes> {
    return this.#notes.get(topic.incarnation) ?? (await this.current(topic, signal)).notes;
  }

  /** Stores `next` if `current` is still what is stored.
   *  @throws BusError DUOBUS_CONFLICT, DUOBUS_NOT_FOUND, DUOBUS_REJECTED */
  async alter(current: StoredTopic, next: StoredTopic, signal: AbortSignal): Promise<StoredTopic> {
    const { name, kind, partitions } = current;
    if (next.partitions < partitions)
      throw new BusError(
        'DUOBUS_REJECTED',
        `topic '${name}' has ${partitions} partitions, which cannot become fewer`,
      );
    const stored = await this.#get(name, signal);
    if (stored === undefined) throw topicGone(kind, name);
    if (sameTopic(stored.topic, current)) {
      const text = encode({ topic: next, notes: stored.notes });
      const { etag } = stored;
      const put = await this.#options.store.put(this.#key(name), text, { etag }, signal);
      if (put !== 'conflict') return next;
    }
    throw new BusError(
      'DUOBUS_CONFLICT',
      `${kind} topic '${name}' was altered by somebody else meanwhile: read it again`,
      { retryable: true, context: { topic: name } },
    );
  }

  async #names(signal: AbortSignal): Promise<readonly string[]> {
    const names: string[] = [];
    for (let after: string | undefined; ; ) {
      const options = after === undefined ? {} : { after };
      const { objects, more } = await this.#options.store.list(this.#prefix, options, signal);
      names.push(...objects.map(({ key }) => key.slice(this.#prefix.length)));
      after = objects.at(-1)?.key;
      if (!more || after === undefined) return names;
    }
  }

  async #get(name: string, signal: AbortSignal): Promise<Versioned | undefined> {
    const found = await this.#options.store.get(this.#key(name), signal);
    if (found === undefined) return undefined;
    const shelved = decode(found.body, name);
    this.#notes.set(shelved.topic.incarnation, shelved.notes);
    return { ...shelved, etag: found.etag };
  }

  #key(name: string): string {
    return this.#prefix + name;
  }
}

export function topicGone(kind: StoredTopic['kind'], name: string): BusError {
  return new BusError(
    'DUOBUS_NOT_FOUND',
    `there is no ${kind} topic '${name}' (or it was made anew): run once with topology 'create'`,
    { context: { topic: name } },
  );
}

function encode({ topic, notes }: ShelvedTopic): Uint8Array {
  return encoder.encode(JSON.stringify({ v: 1, topic, notes }));
}

/** @throws BusError DUOBUS_DECODE for a version this code does not know. */
function decode(body: Uint8Array, name: string): ShelvedTopic {
  let record: ShelvedTopic & { readonly v?: unknown };
  try {
    record = JSON.parse(decoder.decode(body)) as ShelvedTopic & { readonly v?: unknown };
  } catch (cause) {
    throw new BusError(
      'DUOBUS_DECODE',
      `the record of topic '${name}' is not JSON: was it written by something else than duobus?`,
      { cause },
    );
  }
  if (record.v === 1) return record;
  throw new BusError(
    'DUOBUS_DECODE',
    `the record of topic '${name}' has version ${String(record.v)}, this version of duobus reads 1: upgrade this process`,
  );
}
