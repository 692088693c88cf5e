import { randomUUID } from 'node:crypto';
import type { Bus, BusOptions, Depth, From, Handle, Receipt, ResetResult } from '@duobus/core';
import { type Clock, systemClock } from '@duobus/core/driver';
import type { Consumer } from './consumer.ts';
import { bare, toArrive } from './document.ts';
import { InVain } from './expect.ts';
import { busOptions, type Harness } from './harness.ts';
import { History, type PublishOp } from './history.ts';
import { Leftovers } from './leftovers.ts';
import { InProcessMember } from './local-member.ts';
import type { Staleness } from './latency.ts';
import type { LocalHandler, LocalMember, Member } from './member.ts';
import type {
  Ask,
  ConsumeSpec,
  Doc,
  Kind,
  PlainTopic,
  PlainTopicOptions,
  Script,
} from './protocol.ts';
import { noteRefusal } from './refusals.ts';
import { limited } from './limited.ts';
import { Patience } from './patience.ts';
import type { Random } from './random.ts';
import { RemoteMember } from './remote-member.ts';
import { declares } from './unsupported.ts';
import { unhandled } from './unhandled.ts';

export interface Setting {
  readonly harness: Harness;
  readonly shared: Bus;
  /** Unique for this run of the suite. */
  readonly run: string;
  /** Unique within the run, for names. */
  readonly serial: number;
  readonly random: Random;
}

/** What is published: a number, and perhaps a key. */
export type Draft =
  | number
  | {
      readonly n: number;
      readonly key?: string;
      readonly text?: string;
      readonly id?: string;
      readonly ask?: Ask;
    };

export interface ConsumeOptions {
  readonly member?: Member;
  readonly handler?: LocalHandler;
  readonly script?: Script;
  readonly options?: ConsumeSpec['options'];
  /** What an aborted delivery counts as in the history. */
  readonly abort?: 'fail' | 'info';
}

/** What one case works with. Everything it does through here is recorded, and undone at the end. */
export class CaseContext {
  readonly history: History;
  readonly random: Random;
  readonly harness: Harness;
  readonly run: string;
  readonly slow: number;
  readonly clock: Clock;
  /** The bus that cases share, and a member on it. */
  readonly bus: Bus;
  readonly here: LocalMember;
  /** How consumers that had to die were run, for the report. */
  consumers: 'processes' | 'in-process' | undefined;
  /** What it has measured, for the report. */
  staleness: Staleness = {};
  /** How the consumers were when the case went wrong. */
  states = '';
  readonly ordered: string[] = [];
  readonly #setting: Setting;
  readonly #members: Member[] = [];
  readonly #leftovers = new Leftovers();
  #topics = 0;
  #purged = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
    const { shared } = setting;
    const brokerRepeats = declares(shared, 'event') && shared.events.capabilities.brokerRepeats;
    this.history = new History({ brokerRepeats });
    this.harness = setting.harness;
    this.random = setting.random;
    this.run = setting.run;
    this.slow = setting.harness.slow ?? 1;
    this.clock = setting.harness.clock ?? systemClock;
    this.bus = setting.shared;
    this.here = new InProcessMember(
      'here',
      setting.shared,
      false,
      setting.harness,
      this.history,
      setting.run,
    );
    this.#members.push(this.here);
  }

  /** A topic of this case alone. */
  topic(options: PlainTopicOptions = {}): PlainTopic {
    this.#topics += 1;
    const plain: PlainTopic = {
      name: `dc-${this.run}-${this.#setting.serial}-${this.#topics}`,
      options: { partitions: 2, ...options },
    };
    if (options.order === 'key') this.ordered.push(`event:${plain.name}`);
    this.ordered.push(`data:${plain.name}`);
    return plain;
  }

  /** A bus of this case alone, in this process. */
  async member(options: Partial<BusOptions> = {}): Promise<LocalMember> {
    const bus = await this.harness.connect({ ...busOptions(this.harness), ...options });
    const member = new InProcessMember(
      `m${this.#members.length}`,
      bus,
      true,
      this.harness,
      this.history,
      this.run,
    );
    this.#members.push(member);
    return member;
  }

  /** A member that can die: in a process of its own where the harness has processes. */
  async mortal(): Promise<Member> {
    const { processes } = this.harness;
    if (processes === undefined) {
      this.consumers = 'in-process';
      return this.member();
    }
    this.consumers = 'processes';
    const member = await RemoteMember.start(
      `p${this.#members.length}`,
      processes,
      busOptions(this.harness),
      this.history,
      this.run,
      this.slow,
    );
    this.#members.push(member);
    return member;
  }

  /** Starts a consumer and sees to its removal. */
  async consume(
    kind: Kind,
    topic: PlainTopic,
    name: string,
    how: ConsumeOptions = {},
  ): Promise<Consumer> {
    const { member = this.here, handler, script, abort } = how;
    const patient = kind === 'data' ? { commitIntervalMs: 100 } : {};
    const options = {
      backoff: { firstMs: 20, factor: 2, maxMs: 200 },
      graceMs: 10_000 * this.slow,
      ...patient,
      ...how.options,
    };
    const spec: ConsumeSpec = {
      kind,
      topic,
      name,
      options,
      ...(script === undefined ? {} : { script }),
    };
    this.removeLater(kind, topic, name);
    if (handler === undefined) return this.#soon('subscribe', () => member.consume(spec));
    if (member.remote) throw new Error('a handler cannot be sent to another process: use a script');
    return this.#soon('subscribe', () => (member as LocalMember).consume(spec, handler, abort));
  }

  /** Publishes and expects every document to be stored. */
  async publish(
    kind: Kind,
    topic: PlainTopic,
    drafts: readonly Draft[],
    member: Member = this.here,
  ): Promise<readonly Receipt[]> {
    const results = await this.attempt(kind, topic, drafts, member);
    return results.map(({ receipt, message }, index) => {
      if (receipt === undefined)
        throw new Error(
          `publish of document ${JSON.stringify(drafts[index])} to ${kind} topic ${topic.name}: ${message}`,
        );
      return receipt;
    });
  }

  /** Publishes, whatever becomes of it. */
  async attempt(
    kind: Kind,
    topic: PlainTopic,
    drafts: readonly Draft[],
    member: Member = this.here,
  ): Promise<
    readonly { readonly op: PublishOp; readonly receipt?: Receipt; readonly message?: string }[]
  > {
    const documents = drafts.map((draft) => {
      const { n, id = randomUUID(), ...rest } = typeof draft === 'number' ? { n: draft } : draft;
      return { id, document: { run: this.run, n, ...rest } satisfies Doc };
    });
    const ops = documents.map(({ id, document }) => this.#begin(kind, topic, id, document, member));
    const results = await member.publish(kind, topic, documents).catch((error: unknown) => {
      // Who dies meanwhile tells nothing: any of them may be stored.
      for (const op of ops) this.history.end(op, 'info');
      throw error;
    });
    return results.map((result, index) => {
      const op = ops[index] as PublishOp;
      if (result.type === 'ok' && result.receipt.position !== undefined)
        op.position = result.receipt.position;
      this.history.end(op, result.type);
      return result.type === 'ok'
        ? { op, receipt: result.receipt }
        : { op, message: result.message };
    });
  }

  /** Moves a group and records where to. */
  async reset(
    topic: PlainTopic,
    group: string,
    to: From,
    member: Member = this.here,
  ): Promise<ResetResult> {
    const op = {
      f: 'reset',
      process: member.id,
      topic: `data:${topic.name}`,
      name: group,
      targets: [],
    } as const;
    return this.history.during(
      op,
      async (begun) => {
        const result = await this.#soon('reset', () => member.reset(topic, group, to));
        // A superseded reset says nothing about what comes next: the one that replaced it does.
        begun.targets = result.superseded ? [] : result.moves.map((move) => move.to);
        return result;
      },
      noteRefusal,
    );
  }

  /** Waits until everything that the members have told so far is in the history. */
  async sync(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.sync()));
  }

  async depth(topic: PlainTopic, name: string): Promise<Depth> {
    return this.bus.events.depth(bare(topic), name);
  }

  /** Waits until a subscription holds nothing, or a group has handled all, and notes it. */
  async drain(kind: Kind, topic: PlainTopic, name: string): Promise<void> {
    let seen: unknown;
    const look = async (): Promise<boolean> => {
      if (kind === 'event') {
        seen = await this.depth(topic, name);
        return this.#isEmpty(topic, name, seen as Depth);
      }
      const lag = await this.bus.data.lag(bare(topic), name);
      seen = lag.partitions;
      return lag.records === 0;
    };
    const what =
      kind === 'event' ? `subscription ${name} holds nothing` : `group ${name} has no lag`;
    await this.until(() => `${what} (last seen: ${JSON.stringify(seen)})`, look);
    await this.sync();
    this.history.mark({ f: 'drained', process: 'suite', topic: `${kind}:${topic.name}`, name });
  }

  /** The depth alone does not tell where it leaves out what consumers hold: then the history has to. */
  #isEmpty(topic: PlainTopic, name: string, { total, dead }: Depth): boolean {
    if (total > 0 || this.bus.events.capabilities.countsLeased) return total === 0;
    const open = unhandled(this.history, `event:${topic.name}`, name);
    return open.length <= dead + this.#purged;
  }

  /** Tells that dead letters are gone for good, though they were never handled. */
  purged(count: number): void {
    this.#purged += count;
  }

  /** Publishes one more document and waits until it was handled by a consumer: what was there before has come, or never will. */
  async sentinel(
    kind: Kind,
    topic: PlainTopic,
    consumers: readonly Consumer[],
    keys: readonly string[] = ['sentinel'],
  ): Promise<void> {
    const receipts = await this.publish(
      kind,
      topic,
      keys.map((key, index) => ({ n: 1_000_000 + this.history.ops.length + index, key })),
    );
    for (const { id } of receipts) {
      await this.until(
        `the sentinel reaches ${consumers.map((consumer) => consumer.id).join(' or ')}`,
        () =>
          consumers.some(({ deliveries }) =>
            deliveries.some((op) => op.id === id && op.type === 'ok'),
          ),
      );
    }
  }

  /** Waits for a condition: looks at every change of the history, and every 20 ms, later less often. */
  async until(
    what: string | (() => string),
    condition: () => boolean | Promise<boolean>,
    ms: number = 30_000,
  ): Promise<void> {
    const limit = ms * this.slow;
    const late = (): Error =>
      new InVain(`waited ${limit} ms in vain until ${typeof what === 'string' ? what : what()}`);
    const patience = new Patience(limit, this.clock);
    while (!(await limited(condition, limit, late, this.clock))) {
      if (this.history.full) throw new Error('documents are handed out again and again');
      const { leftMs } = patience;
      if (leftMs <= 0) throw late();
      await this.history.change(Math.min(20 + (limit - leftMs) / 20, 250), this.clock);
    }
  }

  /** Gives something time that nothing shows to have happened. */
  async elapse(ms: number): Promise<void> {
    const patience = new Patience(ms * this.slow);
    while (patience.leftMs > 0) await this.history.change(20);
  }

  /** Keeps how the consumers are: a moment later they are closed. */
  noteStates(): void {
    const lines = this.#members.flatMap((member) => member.states());
    this.states = lines.length === 0 ? '' : `The consumers:\n${lines.join('\n')}\n`;
  }

  /** Deletes a subscription or group with all it holds. */
  async remove(kind: Kind, topic: PlainTopic, name: string): Promise<void> {
    if (kind === 'event') await this.bus.events.unsubscribe(bare(topic), name, { discard: true });
    else await this.bus.data.remove(bare(topic), name, { discard: true });
  }

  /** Runs at the end of the case, whatever happens. */
  defer(end: () => Promise<unknown>): void {
    this.#leftovers.defer(end);
  }

  /** Closes a handle in the end, whatever has become of it: the case looks at what it handled. */
  closeLater(handle: Handle): void {
    handle.done.catch(() => undefined);
    this.defer(() => handle.close());
  }

  /** Deletes a subscription or group when everything is closed. */
  removeLater(kind: Kind, topic: PlainTopic, name: string): void {
    this.#leftovers.remove(`${kind}:${topic.name}/${name}`, () => this.remove(kind, topic, name));
  }

  /** Closes and removes what the case has made. Rejects with the first thing that went wrong, after trying all. */
  async cleanUp(): Promise<void> {
    await this.#leftovers.cleanUp(this.#members, async (attempt) => {
      // Where nobody has died nobody may be counted any more.
      if (this.consumers !== undefined) await this.until('the dead are no members', attempt);
      else if (!(await attempt())) throw new Error('who was closed still counts as a member');
    });
  }

  /** Nothing that a case waits for may hold up its verdict. */
  #soon<T>(what: string, work: () => Promise<T>): Promise<T> {
    const limit = 60_000 * this.slow;
    return limited(work, limit, () => new Error(`${what} did not resolve within ${limit} ms`));
  }

  #begin(kind: Kind, topic: PlainTopic, id: string, document: Doc, member: Member): PublishOp {
    return this.history.begin({
      f: 'publish',
      process: member.id,
      topic: `${kind}:${topic.name}`,
      id,
      n: document.n,
      ...toArrive(topic, id, document),
    });
  }
}
