import type { Consumer } from '../src/consumer.ts';
import type { CaseContext, Draft } from '../src/context.ts';
import type { MarkOp } from '../src/history.ts';
import type { Member } from '../src/member.ts';
import type { Ask, Kind, PlainTopic } from '../src/protocol.ts';
import { declares } from '../src/unsupported.ts';

export interface TopicPlan {
  readonly kind: Kind;
  readonly order: 'none' | 'key';
  readonly partitions: number;
}

export interface PlannedDocument {
  /** Which key, of those of its publisher; none where there is none. */
  readonly key: number | undefined;
  readonly ask: Ask | undefined;
}

/** A subscription or group that somebody has made. */
export interface Named {
  readonly kind: Kind;
  readonly topic: PlainTopic;
  readonly name: string;
}

interface Running extends Named {
  readonly slot: number;
  /** None where this run leaves the subscription out. */
  readonly consumer: Consumer | undefined;
}

const consumeOptions = {
  maxAttempts: 3,
  // Whoever dies with a document often enough would lose it, and nobody could tell whether rightly.
  maxCrashes: 100,
  // So would an outage that is none.
  brakeAfter: 1_000,
};

/** What a history is about: what there is, so that a step can tell whether it is possible. */
export class World {
  readonly context: CaseContext;
  readonly topics: readonly (PlainTopic & { readonly kind: Kind })[];
  readonly named: Map<string, Named> = new Map();
  /** What has been done, a line each. */
  readonly told: string[] = [];
  running: Running[] = [];
  /** The first cannot die, the others are made when they are needed. */
  readonly #slots: (Member | undefined)[];
  readonly #without: string | undefined;
  readonly #background: Promise<unknown>[] = [];
  readonly #faults: MarkOp[] = [];
  #documents = 0;

  constructor(context: CaseContext, topics: readonly TopicPlan[], without: string | undefined) {
    this.context = context;
    this.#slots = [context.here, undefined, undefined];
    this.#without = without;
    this.topics = topics.map((plan) => topicOf(context, plan));
  }

  topicAt(pick: number): PlainTopic & { readonly kind: Kind } {
    return at(this.topics, pick) as PlainTopic & { readonly kind: Kind };
  }

  /** One of the groups there are. */
  groupAt(pick: number): Named | undefined {
    const groups = [...this.named.values()].filter(({ kind }) => kind === 'data');
    const group = at(groups, pick);
    return group === undefined || this.#isLeftOut(group) ? undefined : group;
  }

  /** All but the one that this run does without. */
  get present(): readonly Named[] {
    return [...this.named.values()].filter((named) => !this.#isLeftOut(named));
  }

  runningAt(pick: number, slot?: number): Running | undefined {
    return at(
      this.running.filter((one) => slot === undefined || one.slot === slot),
      pick,
    );
  }

  async memberAt(slot: number): Promise<Member> {
    const member = this.#slots[slot] ?? (await this.context.mortal());
    this.#slots[slot] = member;
    return member;
  }

  /** Takes the document's asking as it is, and gives it a number and a key that no other publisher has. */
  drafts(member: Member, documents: readonly PlannedDocument[], keyed: boolean): Draft[] {
    return documents.map(({ key, ask }) => {
      this.#documents += 1;
      const k = key ?? (keyed ? 0 : undefined);
      return {
        n: this.#documents,
        ...(k === undefined ? {} : { key: `${member.id}-k${k}` }),
        ...(ask === undefined ? {} : { ask }),
      };
    });
  }

  async consume(slot: number, named: Named, options: object = {}): Promise<void> {
    const left = this.#isLeftOut(named);
    const member = await this.memberAt(slot);
    const consumer = left
      ? undefined
      : await this.context.consume(named.kind, named.topic, named.name, {
          member,
          script: { who: member.id },
          options: { ...consumeOptions, ...options },
        });
    this.named.set(keyOf(named), named);
    this.running.push({ ...named, slot, consumer });
  }

  async close(running: Running): Promise<void> {
    this.running = this.running.filter((other) => other !== running);
    await running.consumer?.close();
  }

  /** What was under way on it goes with it. */
  async crash(slot: number): Promise<void> {
    const member = this.#slots[slot];
    this.#slots[slot] = undefined;
    this.running = this.running.filter((one) => one.slot !== slot);
    await member?.crash();
  }

  /** A fault of the broker may explain what happens to anybody until all has been handled. */
  hurt(): void {
    for (const { kind, topic, name } of this.present) {
      const fault = { f: 'fault', process: 'suite', topic: `${kind}:${topic.name}`, name } as const;
      this.#faults.push(this.context.history.begin(fault));
    }
  }

  get isHurt(): boolean {
    return this.#faults.length > 0;
  }

  healed(): void {
    for (const fault of this.#faults.splice(0)) this.context.history.end(fault, 'ok');
  }

  /** Goes on while the next steps are done. */
  behind(work: Promise<unknown>): void {
    // What it comes to is asked at the end.
    work.catch(() => undefined);
    this.#background.push(work);
  }

  async caughtUp(): Promise<void> {
    await Promise.all(this.#background.splice(0));
  }

  #isLeftOut(named: Named): boolean {
    return this.label(named) === this.#without;
  }

  /** The same in every run of a plan. */
  label({ kind, topic, name }: Named): string {
    return `${kind}-${this.topics.findIndex((one) => one.name === topic.name)}/${name}`;
  }
}

/** As it was planned, as far as the adapter declares it. */
function topicOf(context: CaseContext, plan: TopicPlan): PlainTopic & { readonly kind: Kind } {
  const { bus } = context;
  const other = plan.kind === 'event' ? 'data' : 'event';
  const kind = declares(bus, plan.kind) ? plan.kind : other;
  const { partitions } = plan;
  if (kind === 'data') return { kind, ...context.topic({ partitions }) };
  const { order: declared } = bus.events.capabilities;
  const order = plan.order === 'key' ? declared.key : !declared.none;
  return { kind, ...context.topic({ partitions, order: order ? 'key' : 'none' }) };
}

export function keyOf({ kind, topic, name }: Named): string {
  return `${kind}:${topic.name}/${name}`;
}

function at<T>(values: readonly T[], pick: number): T | undefined {
  return values[pick % values.length];
}
