import {
  BusError,
  type StoredTopic,
  type TopologyMode,
  type WantedTopic,
} from '@duobus/core/driver';

/** What the broker keeps for a topic, beside its record. */
export interface TopicState {
  record: StoredTopic;
}

/** The topics of one kind, by name. */
export class TopicTable<State extends TopicState> {
  readonly #topics = new Map<string, State>();
  readonly #kind: StoredTopic['kind'];
  readonly #create: (record: StoredTopic) => State;

  constructor(kind: StoredTopic['kind'], create: (record: StoredTopic) => State) {
    this.#kind = kind;
    this.#create = create;
  }

  get all(): Iterable<State> {
    return this.#topics.values();
  }

  ensure(wanted: WantedTopic, mode: TopologyMode): StoredTopic {
    const existing = this.#topics.get(wanted.name);
    if (existing !== undefined) return existing.record;
    if (mode === 'check') throw this.#missing(wanted.name);
    const state = this.#create(freeze(wanted));
    this.#topics.set(wanted.name, state);
    return state.record;
  }

  /** @throws BusError DUOBUS_NOT_FOUND, also where a topic of that name has been made anew. */
  get(topic: StoredTopic): State {
    const state = this.#topics.get(topic.name);
    if (state === undefined || state.record.incarnation !== topic.incarnation)
      throw this.#missing(topic.name);
    return state;
  }

  list(names: readonly string[] | undefined): readonly StoredTopic[] {
    const all = [...this.#topics.values()].map((state) => state.record);
    return names === undefined ? all : all.filter((record) => names.includes(record.name));
  }

  alter(current: StoredTopic, next: StoredTopic): State {
    const state = this.get(current);
    if (!same(state.record, current)) {
      throw new BusError(
        'DUOBUS_CONFLICT',
        `${this.#kind} topic ${current.name} was altered by somebody else meanwhile: read it again`,
        { retryable: true },
      );
    }
    if (next.partitions < current.partitions) {
      throw new BusError(
        'DUOBUS_REJECTED',
        `${this.#kind} topic ${current.name} has ${current.partitions} partitions, which cannot become fewer`,
      );
    }
    state.record = freeze(next);
    return state;
  }

  remove(name: string): State | undefined {
    const state = this.#topics.get(name);
    this.#topics.delete(name);
    return state;
  }

  #missing(name: string): BusError {
    return new BusError(
      'DUOBUS_NOT_FOUND',
      `there is no ${this.#kind} topic ${name} in this memory broker`,
      { context: { topic: name } },
    );
  }
}

function freeze(record: StoredTopic): StoredTopic {
  return Object.freeze({ ...record, retention: Object.freeze({ ...record.retention }) });
}

function same(a: StoredTopic, b: StoredTopic): boolean {
  return (
    a.partitions === b.partitions &&
    a.retention.maxAgeMs === b.retention.maxAgeMs &&
    a.retention.maxBytes === b.retention.maxBytes
  );
}
