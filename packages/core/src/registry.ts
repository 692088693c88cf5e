import { BusError } from './errors.ts';
import type { StoredTopic } from './topic-record.ts';

/** One line of the registry log. Adapters append these and read them back; their order in the log decides. */
export type RegistryOp = { readonly v: 1 } & (
  | { readonly op: 'topic'; readonly topic: StoredTopic }
  | { readonly op: 'alter'; readonly from: StoredTopic; readonly topic: StoredTopic }
  | {
      readonly op: 'drop-topic';
      readonly kind: StoredTopic['kind'];
      readonly topic: string;
      readonly incarnation: string;
    }
  | {
      readonly op: 'name';
      readonly kind: StoredTopic['kind'];
      readonly topic: string;
      readonly name: string;
    }
  | {
      readonly op: 'drop-name';
      readonly kind: StoredTopic['kind'];
      readonly topic: string;
      readonly name: string;
    }
);

/**
 * The records of topics and the names of their subscriptions, folded from a log that every process reads from its
 * beginning. For brokers that have a log but no compare-and-set: of several creators the first in the log wins, an
 * alteration counts only if it began from what is then stored, and every reader comes to the same answer.
 */
export class Registry {
  readonly #topics = new Map<string, StoredTopic>();
  readonly #names = new Map<string, Set<string>>();
  readonly #drops = new Map<string, number>();

  static encode(op: RegistryOp): string {
    return JSON.stringify(op);
  }

  /** @throws BusError DUOBUS_DECODE for a version this code does not know. */
  apply(text: string): void {
    const op = parse(text);
    if (op.op === 'topic' || op.op === 'alter') this.#applyTopic(op);
    else this.#applyOther(op);
  }

  topic(kind: StoredTopic['kind'], name: string): StoredTopic | undefined {
    return this.#topics.get(`${kind}:${name}`);
  }

  topics(kind: StoredTopic['kind']): readonly StoredTopic[] {
    return [...this.#topics.values()].filter((topic) => topic.kind === kind);
  }

  names(kind: StoredTopic['kind'], topic: string): readonly string[] {
    return [...(this.#names.get(`${kind}:${topic}`) ?? [])];
  }

  /** How many names of a topic were dropped: while that does not change, none was. */
  drops(kind: StoredTopic['kind'], topic: string): number {
    return this.#drops.get(`${kind}:${topic}`) ?? 0;
  }

  #applyTopic(op: RegistryOp & { op: 'topic' | 'alter' }): void {
    const key = `${op.topic.kind}:${op.topic.name}`;
    const stored = this.#topics.get(key);
    if (
      op.op === 'topic' ? stored === undefined : stored !== undefined && sameTopic(stored, op.from)
    )
      this.#topics.set(key, op.topic);
  }

  #applyOther(op: Exclude<RegistryOp, { op: 'topic' | 'alter' }>): void {
    const key = `${op.kind}:${op.topic}`;
    if (op.op === 'drop-topic') {
      if (this.#topics.get(key)?.incarnation !== op.incarnation) return;
      this.#topics.delete(key);
      this.#names.delete(key);
      this.#countDrop(key);
      return;
    }
    const names = this.#names.get(key) ?? new Set<string>();
    if (op.op === 'name') names.add(op.name);
    else if (names.delete(op.name)) this.#countDrop(key);
    this.#names.set(key, names);
  }

  #countDrop(key: string): void {
    this.#drops.set(key, (this.#drops.get(key) ?? 0) + 1);
  }
}

/** Whether two records say the same. */
export function sameTopic(a: StoredTopic, b: StoredTopic): boolean {
  return (
    a.incarnation === b.incarnation &&
    a.partitions === b.partitions &&
    a.retention.maxAgeMs === b.retention.maxAgeMs &&
    a.retention.maxBytes === b.retention.maxBytes
  );
}

function parse(text: string): RegistryOp {
  let op: RegistryOp;
  try {
    op = JSON.parse(text) as RegistryOp;
  } catch (cause) {
    throw new BusError(
      'DUOBUS_DECODE',
      'the registry holds a line that is not JSON: was it written by something else than duobus?',
      { cause },
    );
  }
  if (op.v !== 1) {
    throw new BusError(
      'DUOBUS_DECODE',
      `the registry holds a line of version ${String((op as { v: unknown }).v)}, this version of duobus reads 1: upgrade this process`,
    );
  }
  return op;
}
