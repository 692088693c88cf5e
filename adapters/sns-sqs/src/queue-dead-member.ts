import { randomUUID } from 'node:crypto';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import {
  inParallel,
  farewell,
  MemberInbox,
  Bell,
  type InboundRecord,
  type Leased,
  type QueueEvent,
  type QueueMember,
  type Settlement,
} from '@duobus/core/driver';
import { width } from './queue-batches.ts';
import {
  readDeadLetter,
  removeDeadLetter,
  type StoredDeadLetter,
  writeDeadLetter,
} from './queue-dead-letters.ts';
import { insist } from './queue-insist.ts';
import { lost } from './queue-member-end.ts';
import { ownGroup } from './queue-names.ts';
import type { Scope } from './queue-scope.ts';
import type { Settled } from './queue-settle.ts';
import { encodeRecord } from './record-codec.ts';

/** Dead letters that are got at once. */
const page = 100;
/** SQS delays no message for longer, and those of FIFO queues not at all. */
const longestDelaySeconds = 900;

class DeadLease implements Leased {
  readonly key: string | undefined;
  readonly headers: InboundRecord['headers'];
  readonly body: Uint8Array | null;
  /** Nobody counts how often it was listed. */
  readonly redelivered = true;
  readonly state: string;
  readonly token: DeadLease;
  readonly letter: StoredDeadLetter;
  /** Of the object as this lister knows it: whoever has changed it since has the say. */
  etag: string;
  settled = false;

  constructor(letter: StoredDeadLetter) {
    const { key, headers, body, state, etag } = letter;
    this.key = key;
    this.headers = headers;
    this.body = body;
    this.state = state;
    this.token = this;
    this.letter = letter;
    this.etag = etag;
  }
}

/** Lists dead letters, once. Nothing is moved by listing, so any number may list at once. */
export class DeadMember implements QueueMember {
  readonly #scope: Scope;
  readonly #ended: AbortSignal;
  readonly #inbox: MemberInbox<DeadLease>;
  readonly #bell = new Bell();
  readonly #onEnded: () => void;
  readonly #loop: Promise<void>;
  /** Everything found has been received. */
  #drained = true;
  #stopped = false;
  #closing: Promise<void> | undefined;

  constructor(scope: Scope) {
    this.#scope = scope;
    this.#ended = scope.connection.ended;
    this.#inbox = new MemberInbox(`the dead letters of ${scope.what}`);
    this.#onEnded = () => this.#failed(this.#ended.reason);
    this.#ended.addEventListener('abort', this.#onEnded, { once: true });
    if (this.#ended.aborted) this.#onEnded();
    this.#loop = this.#list().catch((error: unknown) => this.#failed(error));
  }

  receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    this.#drained = true;
    this.#bell.ring();
    return this.#inbox.receive(signal);
  }

  async settle(batch: readonly Settlement[]): Promise<readonly Settled[]> {
    this.#refuseClosed();
    if (this.#inbox.over) return batch.map(() => 'lost');
    return inParallel(batch, width, (settlement) => this.#settle(settlement));
  }

  async note(token: unknown, state: string): Promise<'kept' | 'lost'> {
    this.#refuseClosed();
    if (!(token instanceof DeadLease) || token.settled || this.#inbox.over) return 'lost';
    return (await this.#rewrite(token, state)) ? 'kept' : 'lost';
  }

  async release(): Promise<void> {
    await Promise.resolve(); // there are no partitions to release
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#bell.ring();
    await Promise.resolve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ended.removeEventListener('abort', this.#onEnded);
    await this.stop();
    await farewell(() => this.#loop);
    this.#inbox.close();
  }

  async #list(): Promise<void> {
    const { connection, deadPrefix } = this.#scope;
    for (let after: string | undefined; ; ) {
      const options = after === undefined ? { limit: page } : { limit: page, after };
      const { objects, more } = await insist(
        () => connection.store.list(deadPrefix, options, this.#ended),
        this.#ended,
      );
      const letters = await inParallel(objects, width, ({ key }) =>
        readDeadLetter(this.#scope, key, this.#ended),
      );
      const found = letters.filter((letter) => letter !== undefined);
      if (this.#isOver) return;
      if (found.length > 0) {
        this.#drained = false;
        const records = found.map((letter) => new DeadLease(letter));
        this.#inbox.records(0, records);
      }
      after = objects.at(-1)?.key;
      if (!more || after === undefined) break;
      // not more than a page is in memory at a time
      while (!this.#drained && !this.#isOver) await this.#bell.wait();
    }
    if (!this.#isOver) this.#inbox.push({ type: 'idle' });
  }

  get #isOver(): boolean {
    return this.#stopped || this.#inbox.over;
  }

  async #settle(settlement: Settlement): Promise<Settled> {
    const { token, verdict } = settlement;
    if (!(token instanceof DeadLease) || token.settled) return 'lost';
    if (verdict === 'back') return 'settled';
    if (verdict === 'dead')
      return (await this.#rewrite(token, settlement.state)) ? 'settled' : 'lost';
    token.settled = true;
    if (verdict === 'done') return (await this.#remove(token)) ? 'settled' : 'lost';
    // of two who redrive it at once, one does
    if (!(await this.#rewrite(token, token.state, randomUUID()))) return 'lost';
    await this.#send(token, settlement);
    await this.#remove(token);
    return 'settled';
  }

  async #rewrite(lease: DeadLease, state: string, claim?: string): Promise<boolean> {
    const { letter, etag } = lease;
    const put = await writeDeadLetter(
      this.#scope,
      letter.objectKey,
      { ...letter, state },
      etag,
      this.#ended,
      claim,
    );
    if (put === 'conflict') return false;
    lease.etag = put.etag;
    return true;
  }

  async #remove({ letter, etag }: DeadLease): Promise<boolean> {
    const { objectKey } = letter;
    return (await removeDeadLetter(this.#scope, { objectKey, etag }, this.#ended)) === 'removed';
  }

  /** To its own queue alone, and outside of the order. */
  async #send(
    { letter }: DeadLease,
    { state, delayMs }: Extract<Settlement, { readonly verdict: 'again' }>,
  ): Promise<void> {
    const { connection, ordered, what } = this.#scope;
    const { queueUrl } = this.#scope.of(letter.partition);
    const { text, attributes } = encodeRecord(letter, state);
    const id = randomUUID();
    const own = ordered
      ? { MessageGroupId: ownGroup(id), MessageDeduplicationId: id }
      : { DelaySeconds: Math.min(longestDelaySeconds, Math.ceil(delayMs / 1_000)) };
    await connection.sqs(
      new SendMessageCommand({
        QueueUrl: queueUrl,
        MessageBody: text,
        MessageAttributes: { ...attributes },
        ...own,
      }),
      this.#ended,
      `redrive a dead letter of ${what}`,
    );
  }

  #failed(error: unknown): void {
    this.#inbox.end(lost(`the dead letters of ${this.#scope.what}`, error));
    this.#bell.ring();
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw this.#inbox.closed();
  }
}
