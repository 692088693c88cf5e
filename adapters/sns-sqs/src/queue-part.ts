import { DeleteMessageBatchCommand, type Message } from '@aws-sdk/client-sqs';
import type { Settlement } from '@duobus/core/driver';
import { Held } from './queue-held.ts';
import { Intake } from './queue-intake.ts';
import { type Asked, type Lease, leasesOf } from './queue-lease.ts';
import type { Lingering } from './queue-lingering.ts';
import type { Pulse } from './queue-pulse.ts';
import type { Scope } from './queue-scope.ts';
import { type Settled, Settlements } from './queue-settle.ts';
import { probed } from './record-codec.ts';

export interface PartEvents {
  records(partition: number, records: readonly Lease[]): void;
  /** Some of what was held may be somebody else's by now. */
  expired(): void;
  failed(error: unknown): void;
}

export interface PartOptions {
  readonly credit: number;
  readonly lingering: Lingering;
  readonly pulse: Pulse;
}

/** One queue that a member receives from, and what it holds of it. */
export class Part {
  readonly partition: number;
  readonly #scope: Scope;
  readonly #lingering: Lingering;
  readonly #events: PartEvents;
  readonly #ended: AbortSignal;
  readonly #held: Held;
  readonly #settlements: Settlements;
  readonly #intake: Intake;

  constructor(scope: Scope, { credit, lingering, pulse }: PartOptions, events: PartEvents) {
    const { ended } = scope.connection;
    this.partition = scope.partition;
    this.#scope = scope;
    this.#lingering = lingering;
    this.#events = events;
    this.#ended = ended;
    this.#held = new Held(
      scope,
      {
        freed: (count) => this.#intake.freed(count),
        expired: () => events.expired(),
        failed: (error) => events.failed(error),
      },
      ended,
    );
    this.#settlements = new Settlements(scope, this.#held, ended);
    this.#intake = new Intake(
      scope,
      credit,
      pulse,
      {
        arrived: (messages, asked) => this.#arrived(messages, asked),
        failed: (error) => events.failed(error),
      },
      ended,
    );
  }

  start(): void {
    this.#intake.start();
  }

  settle(batch: readonly Settlement[]): Promise<readonly Settled[]> {
    return this.#settlements.settle(batch);
  }

  note(token: unknown, state: string): Promise<'kept' | 'lost'> {
    return this.#settlements.note(token, state);
  }

  /** Receives no more. What comes for requests that still run is given back. */
  async stop(): Promise<void> {
    this.#intake.stop();
    this.#lingering.add(this.#intake);
  }

  /** Gives everything back: `unseen` was never handed out. */
  async end(unseen: readonly Lease[]): Promise<void> {
    void this.stop();
    const mine = unseen.filter((lease) => this.#settlements.isHeld(lease));
    this.#held.drop(mine);
    const rest = this.#held.end().filter(({ over, expired }) => !over && !expired);
    // an extension that is under way would hide them for longer
    await this.#held.quiet();
    await this.#settlements.giveBackUnseen(mine);
    await this.#settlements.giveUp(rest);
  }

  async #arrived(messages: readonly Message[], asked: Asked): Promise<void> {
    const documents = messages.filter(({ MessageAttributes }) => !probed(MessageAttributes));
    if (documents.length < messages.length) await this.#deleteProbes(messages);
    const leases = await leasesOf(this.#scope, documents, asked, this.#ended);
    if (this.#intake.stopped) {
      this.#intake.freed(messages.length);
      // what cannot be given back comes back by itself
      await this.#settlements.giveBackUnseen(leases).catch(() => undefined);
      return;
    }
    this.#intake.freed(messages.length - documents.length);
    this.#held.add(leases);
    if (leases.length > 0) this.#events.records(this.partition, leases);
  }

  /** They have shown what they were to show. */
  async #deleteProbes(messages: readonly Message[]): Promise<void> {
    const { connection, queueUrl, what } = this.#scope;
    const Entries = messages
      .filter(({ MessageAttributes }) => probed(MessageAttributes))
      .map(({ ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle }));
    const command = new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries });
    // or they come again
    await connection.sqs(command, this.#ended, `delete probes of ${what}`).catch(() => undefined);
  }
}
