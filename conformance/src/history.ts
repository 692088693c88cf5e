import type { Cause, From, Positions } from '@duobus/core';
import { type Clock, systemClock } from '@duobus/core/driver';

/** What an operation came to: `info` is not known (a crash, a timeout): it may have happened or not. */
export type Outcome = 'running' | 'ok' | 'fail' | 'info';

interface Common {
  /** Order in which operations began. */
  readonly begun: number;
  /** Place in that same order at which it ended; infinite while it runs. */
  ended: number;
  type: Outcome;
  /** Which member (bus, process) did it. */
  readonly process: string;
  /** `event:name` or `data:name`. */
  readonly topic: string;
}

export interface PublishOp extends Common {
  readonly f: 'publish';
  readonly id: string;
  readonly n: number;
  readonly key: string | undefined;
  readonly digest: string;
  position?: string;
}

export interface DeliverOp extends Common {
  readonly f: 'deliver';
  /** Subscription or group. */
  readonly name: string;
  readonly consumer: string;
  readonly id: string;
  readonly n: number;
  readonly key: string | undefined;
  readonly digest: string;
  /** Of all that the handler got, what its publisher does not know beforehand too. */
  readonly whole: string;
  readonly attempt: number;
  readonly cause: Cause;
  readonly redelivered: boolean;
  readonly partition: number;
  readonly position: string | undefined;
  readonly epoch: number;
}

export interface ResetOp extends Common {
  readonly f: 'reset';
  readonly name: string;
  /** Where each moved partition goes on: known when it has succeeded. */
  targets: readonly string[];
  /** Of the error, where it was refused with one of ours. */
  code?: string;
}

/** The stored pointers of a group as they were seen. */
export interface LookOp extends Common {
  readonly f: 'look';
  readonly name: string;
  pointers: Positions;
}

/** All that a data topic held. */
export interface ReadOp extends Common {
  readonly f: 'read';
  entries: readonly {
    readonly position: string;
    readonly id: string;
    readonly whole: string;
  }[];
}

/** The dead letters of a subscription or group as they were listed. */
export interface LettersOp extends Common {
  readonly f: 'letters';
  readonly name: string;
  letters: readonly { readonly identity: string; readonly id: string | undefined }[];
}

/** Everything else that matters to a subscription or group. `drained`: it was seen to hold nothing any
 *  more. `trimmed`: retention has passed its pointer. */
export interface MarkOp extends Common {
  readonly f:
    | 'subscribe'
    | 'close'
    | 'crash'
    | 'redrive'
    | 'drained'
    | 'fault'
    | 'alter'
    | 'trimmed';
  readonly name: string;
  /** Of `close`: which one. */
  readonly consumer?: string;
  /** Of `subscribe`: where a new group begins. */
  readonly from?: From | undefined;
}

export type Op = PublishOp | DeliverOp | ResetOp | LookOp | ReadOp | LettersOp | MarkOp;

type OpOf<F extends Op['f']> = F extends MarkOp['f'] ? MarkOp : Extract<Op, { f: F }>;

type Fields<T extends Op> = Omit<T, 'begun' | 'ended' | 'type'>;
/** What is said of an operation when it begins. */
export type NewOp =
  | Fields<PublishOp>
  | Fields<DeliverOp>
  | Fields<ResetOp>
  | Fields<LookOp>
  | Fields<ReadOp>
  | Fields<LettersOp>
  | Fields<MarkOp>;

/** Many times what any case leads to: beyond it something comes again and again, and to judge it would take for ever. */
export const mostOps = 20_000;

/** What has happened in one run of a case, in order: the only thing it is judged by. */
export class History {
  readonly ops: Op[] = [];
  /** Whether the event bus may repeat a document for no reason but its broker's. */
  readonly brokerRepeats: boolean;
  #clock = 0;
  #changed = new Set<() => void>();

  constructor(options: { readonly brokerRepeats?: boolean } = {}) {
    this.brokerRepeats = options.brokerRepeats ?? false;
  }

  /** Nothing more is to be recorded. */
  get full(): boolean {
    return this.ops.length >= mostOps;
  }

  begin<T extends NewOp>(op: T): OpOf<T['f']> {
    this.#clock += 1;
    const begun = {
      ...op,
      begun: this.#clock,
      ended: Number.POSITIVE_INFINITY,
      type: 'running',
    } as unknown as Op;
    this.ops.push(begun);
    this.#wake();
    return begun as OpOf<T['f']>;
  }

  end(op: Op, type: Exclude<Outcome, 'running'>): void {
    this.#clock += 1;
    op.ended = this.#clock;
    op.type = type;
    this.#wake();
  }

  mark(op: Fields<MarkOp>): void {
    this.end(this.begin(op), 'ok');
  }

  /** Records an operation around a promise: rejected is `fail`, unless `outcome` says otherwise. */
  async during<T, O extends NewOp>(
    op: O,
    run: (op: OpOf<O['f']>) => Promise<T>,
    outcome?: (error: unknown, op: OpOf<O['f']>) => 'fail' | 'info',
  ): Promise<T> {
    const begun = this.begin(op);
    try {
      const value = await run(begun);
      this.end(begun, 'ok');
      return value;
    } catch (error) {
      this.end(begun, outcome?.(error, begun) ?? 'fail');
      throw error;
    }
  }

  of<F extends Op['f']>(f: F): OpOf<F>[] {
    return this.ops.filter((op) => op.f === f) as OpOf<F>[];
  }

  /** Resolves at the next change, or after `ms`. */
  async change(ms: number, clock: Clock = systemClock): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel();
        this.#changed.delete(done);
        resolve();
      };
      const cancel = clock.after(ms, done);
      this.#changed.add(done);
    });
  }

  #wake(): void {
    for (const changed of this.#changed) changed();
  }
}

interface Named {
  readonly topic: string;
  readonly name: string;
}

/** Whether something is about the same subscription or group. */
export const sameAs =
  (one: Named) =>
  (other: Named): boolean =>
    one.topic === other.topic && one.name === other.name;
