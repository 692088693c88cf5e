import type { From } from '@duobus/core';
import { type DeliverOp, History, type PublishOp, type ResetOp } from '../../src/history.ts';

/** Writes histories by hand, one line per thing that happens. */
export class Story {
  readonly history: History = new History();
  readonly #kind: 'event' | 'data';

  constructor(kind: 'event' | 'data' = 'event') {
    this.#kind = kind;
  }

  get topic(): string {
    return `${this.#kind}:t`;
  }

  published(
    n: number,
    how: {
      readonly type?: 'ok' | 'fail' | 'info';
      readonly key?: string;
      readonly offset?: number;
      readonly id?: string;
    } = {},
  ): this {
    const { type = 'ok', key, offset, id = `id-${n}` } = how;
    const op: PublishOp = this.history.begin({
      f: 'publish',
      process: 'p',
      topic: this.topic,
      id,
      n,
      key,
      digest: `d-${n}`,
    });
    if (offset !== undefined) op.position = `v1.i.0.${offset}`;
    this.history.end(op, type);
    return this;
  }

  delivered(
    n: number,
    how: Partial<
      Pick<
        DeliverOp,
        | 'cause'
        | 'attempt'
        | 'epoch'
        | 'redelivered'
        | 'digest'
        | 'whole'
        | 'key'
        | 'consumer'
        | 'name'
      >
    > & { readonly type?: 'ok' | 'fail' | 'info'; readonly offset?: number } = {},
  ): this {
    this.history.end(this.begun(n, how), how.type ?? 'ok');
    return this;
  }

  /** A delivery that goes on. */
  begun(n: number, how: Parameters<Story['delivered']>[1] = {}): DeliverOp {
    const {
      cause = 'first',
      attempt = 1,
      epoch = 0,
      redelivered = cause !== 'first',
      digest = `d-${n}`,
      whole = `w-${n}`,
      key,
      consumer = 'c',
      name = 's',
      offset,
    } = how;
    return this.history.begin({
      f: 'deliver',
      process: 'm',
      topic: this.topic,
      name,
      consumer,
      id: `id-${n}`,
      n,
      key,
      digest,
      whole,
      attempt,
      cause,
      redelivered,
      partition: 0,
      position: offset === undefined ? undefined : `v1.i.0.${offset}`,
      epoch,
    });
  }

  mark(
    f: 'subscribe' | 'close' | 'crash' | 'redrive' | 'drained' | 'fault' | 'trimmed',
    how: { readonly name?: string; readonly consumer?: string; readonly from?: From } = {},
  ): this {
    this.history.mark({ f, process: 'm', topic: this.topic, name: 's', ...how });
    return this;
  }

  reset(offset: number, name = 's'): this {
    const op = this.#resetBegun(name);
    op.targets = [`v1.i.0.${offset}`];
    this.history.end(op, 'ok');
    return this;
  }

  /** With a code, if it is one of ours. */
  refused(code?: string): this {
    const op = this.#resetBegun('s');
    if (code !== undefined) op.code = code;
    this.history.end(op, 'fail');
    return this;
  }

  /** The stored pointer of partition 0 is seen there. */
  looked(offset: number, name = 's'): this {
    const pointers = { 0: `v1.i.0.${offset}` };
    const look = { f: 'look', process: 'suite', topic: this.topic, name, pointers } as const;
    this.history.end(this.history.begin(look), 'ok');
    return this;
  }

  /** The log holds these, each at the place of its number. */
  read(
    numbers: readonly number[],
    whole: (n: number) => string = (n) => `w-${n}`,
    place: (n: number) => number = (n) => n,
  ): this {
    const entries = numbers.map((n) => ({
      id: `id-${n}`,
      position: `v1.i.0.${place(n)}`,
      whole: whole(n),
    }));
    const read = { f: 'read', process: 'suite', topic: this.topic, entries } as const;
    this.history.end(this.history.begin(read), 'ok');
    return this;
  }

  /** These are listed as dead letters. */
  listed(numbers: readonly number[], identity: (n: number) => string = (n) => `${n}`): this {
    const letters = numbers.map((n) => ({ id: `id-${n}`, identity: identity(n) }));
    const op = { f: 'letters', process: 'suite', topic: this.topic, name: 's', letters } as const;
    this.history.end(this.history.begin(op), 'ok');
    return this;
  }

  #resetBegun(name: string): ResetOp {
    return this.history.begin({ f: 'reset', process: 'm', topic: this.topic, name, targets: [] });
  }
}
