import { inParallel, BusError, type StoredTopic } from '@duobus/core/driver';
import type { ObjectStore } from '@duobus/object-log';
import { width } from './queue-batches.ts';
import { subscriptionsPrefix } from './queue-names.ts';

/** A subscription as it is stored. */
export interface Registration {
  /** Tells it from others of its name; the names of its queue, notes and dead letters have it. */
  readonly uid: string;
  /** `making` and `removing`: whoever finds it so may finish it. */
  readonly state: 'making' | 'ready' | 'removing';
  /** By partition; where order is 'none' there is one. Known once they are made. */
  readonly queues?: readonly Provided[];
}

/** A queue, and what brings the documents of its topic into it. */
export interface Provided {
  readonly queueUrl: string;
  readonly subscriptionArn: string;
}

export interface Registered extends Registration {
  readonly etag: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The subscriptions of event topics, an object each, written by compare and set. */
export class SubscriptionRegistry {
  readonly #store: ObjectStore;
  readonly #root: string;

  constructor(store: ObjectStore, root: string) {
    this.#store = store;
    this.#root = root;
  }

  /** @throws BusError DUOBUS_DECODE for a version this code does not know. */
  async get(
    topic: StoredTopic,
    name: string,
    signal: AbortSignal,
  ): Promise<Registered | undefined> {
    const found = await this.#store.get(this.#key(topic, name), signal);
    if (found === undefined) return undefined;
    return { ...decode(found.body, name), etag: found.etag };
  }

  /** Stores it if what is stored still has this tag, or if there is none. */
  async put(
    topic: StoredTopic,
    name: string,
    next: Registration,
    etag: string | undefined,
    signal: AbortSignal,
  ): Promise<'stored' | 'conflict'> {
    const body = encoder.encode(JSON.stringify({ v: 1, ...next }));
    const condition = etag === undefined ? ({ absent: true } as const) : { etag };
    const put = await this.#store.put(this.#key(topic, name), body, condition, signal);
    return put === 'conflict' ? 'conflict' : 'stored';
  }

  async remove(
    topic: StoredTopic,
    name: string,
    { etag }: Registered,
    signal: AbortSignal,
  ): Promise<void> {
    // somebody else has finished, or made another one: then it is not ours to remove
    await this.#store.remove(this.#key(topic, name), { etag }, signal);
  }

  /** Names of those that are not being removed, in order. */
  async names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    const prefix = subscriptionsPrefix(this.#root, topic);
    const names: string[] = [];
    for (let after: string | undefined; ; ) {
      const options = after === undefined ? {} : { after };
      const { objects, more } = await this.#store.list(prefix, options, signal);
      const page = objects.map(({ key }) => key.slice(prefix.length));
      const found = await inParallel(page, width, (name) => this.get(topic, name, signal));
      names.push(...page.filter((_, at) => found[at]?.state === 'ready'));
      after = objects.at(-1)?.key;
      if (!more || after === undefined) return names;
    }
  }

  #key(topic: StoredTopic, name: string): string {
    return subscriptionsPrefix(this.#root, topic) + name;
  }
}

function decode(body: Uint8Array, name: string): Registration {
  let stored: Registration & { readonly v?: unknown };
  try {
    stored = JSON.parse(decoder.decode(body)) as typeof stored;
  } catch (cause) {
    throw new BusError(
      'DUOBUS_DECODE',
      `the record of subscription '${name}' is not JSON: was it written by something else than duobus?`,
      { cause },
    );
  }
  if (stored?.v === 1) return stored;
  throw new BusError(
    'DUOBUS_DECODE',
    `the record of subscription '${name}' has version ${String(stored?.v)}, this version of duobus reads 1: upgrade this process`,
  );
}
