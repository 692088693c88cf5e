import { type DeliverOp, History, type PublishOp } from '../../src/history.ts';

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

  mark(f: 'subscribe' | 'close' | 'crash' | 'redrive' | 'drained' | 'fault' | 'trimmed'): this {
    this.history.mark({ f, process: 'm', topic: this.topic, name: 's' });
    return this;
  }

  reset(offset: number): this {
    const op = this.history.begin({
      f: 'reset',
      process: 'm',
      topic: this.topic,
      name: 's',
      targets: [],
    });
    op.targets = [`v1.i.0.${offset}`];
    this.history.end(op, 'ok');
    return this;
  }
}
