import {
  farewell,
  MemberInbox,
  Bell,
  type InboundRecord,
  type Leased,
  type QueueEvent,
  type QueueMember,
  type Settlement,
} from '@duobus/core/driver';
import type { ScriptArgument } from './connection.ts';
import { endListScript, listDeadScript, settleDeadScript } from './event-admin-scripts.ts';
import { gone, lost } from './member-end.ts';
import type { Entry } from './queue-lease.ts';
import { Portion } from './queue-portion.ts';
import { answerOf, eventChannel, type Scope } from './queue-scope.ts';
import type { Settled } from './queue-settle.ts';
import { decodeRecord, isOurs } from './record-codec.ts';

/** What a dead letter has besides the fields of the document: its state, and its partition. */
const ownFields = 4;

class DeadLease implements Leased {
  readonly key: string | undefined;
  readonly headers: InboundRecord['headers'];
  readonly body: Uint8Array | null;
  /** Nobody counts how often it was listed. */
  readonly redelivered = true;
  readonly state: string | undefined;
  readonly token: DeadLease;
  readonly id: string;
  settled = false;

  constructor([id, fields]: Entry, laterState: Buffer | null | undefined) {
    const first = isOurs(fields) ? 4 : 0;
    const { key, headers, body } = decodeRecord(fields, first, fields.length - ownFields);
    this.key = key;
    this.headers = headers;
    this.body = body;
    this.state = (laterState ?? fields.at(-ownFields + 1))?.toString();
    this.token = this;
    this.id = id.toString('latin1');
  }
}

/** Lists dead letters, once: one lister at a time has the lock. Nothing is moved by listing. */
export class DeadMember implements QueueMember {
  readonly #scope: Scope;
  readonly #id: string;
  readonly #leaseMs: number;
  readonly #inbox: MemberInbox<DeadLease>;
  readonly #bell = new Bell();
  readonly #portion = new Portion();
  readonly #unlisten: () => void;
  readonly #loop: Promise<void>;
  /** Everything found has been received. */
  #drained = true;
  #stopped = false;
  #closing: Promise<void> | undefined;

  constructor(scope: Scope, id: string) {
    this.#scope = scope;
    this.#id = id;
    this.#leaseMs = scope.connection.settings.leaseMs;
    this.#inbox = new MemberInbox(`the dead letters of ${scope.what}`);
    const { connection, topic } = scope;
    const { ended } = connection;
    const lost = (): void => this.#failed(ended.reason);
    const unlisten = connection.listen(eventChannel(topic), (message) => {
      if (message === '*' || message === '') this.#bell.ring();
    });
    ended.addEventListener('abort', lost, { once: true });
    this.#unlisten = () => {
      unlisten();
      ended.removeEventListener('abort', lost);
    };
    this.#loop = this.#run();
  }

  async receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    this.#drained = true;
    this.#bell.ring();
    return this.#inbox.receive(signal);
  }

  async settle(batch: readonly Settlement[]): Promise<readonly Settled[]> {
    this.#refuseClosed();
    const held: DeadLease[] = [];
    const args: ScriptArgument[] = [];
    for (const settlement of batch) {
      const { token } = settlement;
      if (!(token instanceof DeadLease) || token.settled) continue;
      token.settled = settlement.verdict === 'done' || settlement.verdict === 'again';
      held.push(token);
      args.push(token.id, ...argumentsOf(settlement));
    }
    if (held.length === 0 || this.#inbox.over) return batch.map(() => 'lost');
    const answers = await this.#settle(args);
    const settled = new Set<unknown>(held.filter((_, at) => answers[at] === 1));
    return batch.map(({ token }) => (settled.has(token) ? 'settled' : 'lost'));
  }

  async note(token: unknown, state: string): Promise<'kept' | 'lost'> {
    this.#refuseClosed();
    if (!(token instanceof DeadLease) || token.settled || this.#inbox.over) return 'lost';
    const [answer] = await this.#settle([token.id, 'keep', state]);
    return answer === 1 ? 'kept' : 'lost';
  }

  async release(): Promise<void> {
    await Promise.resolve(); // there are no partitions to release
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.resolve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#unlisten();
    this.#bell.ring();
    await farewell(async () => {
      await this.#loop;
      await this.#call(endListScript, []);
    });
    this.#inbox.close();
  }

  async #settle(args: readonly ScriptArgument[]): Promise<readonly unknown[]> {
    const { values } = answerOf(await this.#call(settleDeadScript, args));
    return values;
  }

  #call(code: typeof listDeadScript, args: readonly ScriptArgument[]): Promise<unknown> {
    const { connection, tag, name, what } = this.#scope;
    const tried = `list dead letters of subscription ${what}`;
    return connection.runBuffer('commands', code, [tag], [name, this.#id, ...args], tried);
  }

  async #run(): Promise<void> {
    try {
      await this.#list();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #list(): Promise<void> {
    let [cursor, upTo, told] = ['', '', false];
    while (this.#closing === undefined && !this.#inbox.over) {
      const wanted = this.#drained && !told && !this.#stopped;
      const slice = this.#portion.records;
      const args = [this.#leaseMs, cursor, upTo, wanted ? slice : 0];
      const { status, values } = answerOf(await this.#call(listDeadScript, args));
      if ((status as string) === 'wait') {
        // its holder may be dead: then the lock ends by itself
        await this.#bell.wait(Math.min(Number(values[0]) + 1, this.#leaseMs));
        continue;
      }
      if (status !== 'ok') return this.#ended(status);
      const [end, entries, states] = values as [
        Buffer,
        readonly Entry[],
        readonly (Buffer | null)[],
      ];
      upTo = end.toString('latin1');
      cursor = entries.at(-1)?.[0].toString('latin1') ?? (cursor === '' ? '0-0' : cursor);
      if (entries.length > 0) {
        const records = entries.map((entry, at) => new DeadLease(entry, states[at]));
        this.#drained = false;
        this.#portion.weigh(records);
        this.#inbox.records(0, records);
      }
      if (wanted && !told && (upTo === '' || cursor === upTo || entries.length < slice)) {
        told = true;
        this.#inbox.push({ type: 'idle' });
      }
      await this.#bell.wait(this.#leaseMs / 3);
    }
  }

  #ended(status: 'gone' | 'lost'): void {
    const { topic, name } = this.#scope;
    if (status === 'gone') this.#inbox.end(gone(topic.name, name));
    else this.#failed(new Error('its lock was over'));
  }

  #failed(error: unknown): void {
    this.#inbox.end(lost(this.#scope.what, error));
    this.#bell.ring();
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw this.#inbox.closed();
  }
}

function argumentsOf(settlement: Settlement): readonly ScriptArgument[] {
  if (settlement.verdict === 'done') return ['done'];
  if (settlement.verdict === 'again')
    return ['again', Math.ceil(settlement.delayMs), settlement.state];
  return ['keep', settlement.state];
}
