import type { Handle } from '@duobus/core';
import type { DeliverOp, History } from './history.ts';
import type { ConsumeSpec, Handed } from './protocol.ts';

/** One consumer of a case, here or in another process. */
export interface Consumer {
  readonly id: string;
  readonly member: string;
  readonly spec: ConsumeSpec;
  /** Everything handed to it, in order. */
  readonly deliveries: readonly DeliverOp[];
  /** Only where it runs in this process. */
  readonly handle: Handle;
  close(): Promise<void>;
}

/** Writes deliveries of one consumer into the history, as long as that takes more. Documents of other runs are counted and
 *  left alone. */
export class Recorder {
  readonly deliveries: DeliverOp[] = [];
  foreign = 0;
  readonly #history: History;
  readonly #run: string;
  readonly #consumer: { readonly id: string; readonly member: string; readonly spec: ConsumeSpec };

  constructor(
    history: History,
    run: string,
    consumer: { readonly id: string; readonly member: string; readonly spec: ConsumeSpec },
  ) {
    this.#history = history;
    this.#run = run;
    this.#consumer = consumer;
  }

  begin({ run, ...handed }: Handed): DeliverOp | undefined {
    if (run !== this.#run) {
      this.foreign += 1;
      return undefined;
    }
    if (this.#history.full) return undefined;
    const { id, member, spec } = this.#consumer;
    const topic = `${spec.kind}:${spec.topic.name}`;
    const op = this.#history.begin({
      f: 'deliver',
      process: member,
      topic,
      name: spec.name,
      consumer: id,
      ...handed,
    });
    this.deliveries.push(op);
    return op;
  }

  end(op: DeliverOp | undefined, type: 'ok' | 'fail' | 'info'): void {
    // A handler may come to its end after its process was declared dead.
    if (op?.type === 'running') this.#history.end(op, type);
  }

  /** What runs now will never be heard of again. */
  abandon(): void {
    for (const op of this.deliveries) this.end(op, 'info');
  }
}
