import type { Bus, Delivery, From, Handle, ResetResult } from '@duobus/core';
import { type Consumer, Recorder } from './consumer.ts';
import { handed, topicOf } from './document.ts';
import type { Harness } from './harness.ts';
import type { History } from './history.ts';
import type { LocalHandler, LocalMember } from './member.ts';
import type { ConsumeSpec, Doc, Kind, Outgoing, PlainTopic, Published } from './protocol.ts';
import { publishAll } from './publish-all.ts';
import { play } from './script.ts';

/** A member in this process. Several may share a bus: then only their consumers end with them. */
export class InProcessMember implements LocalMember {
  readonly id: string;
  readonly remote = false;
  readonly bus: Bus;
  readonly #harness: Harness;
  readonly #history: History;
  readonly #run: string;
  readonly #owned: boolean;
  readonly #consumers: LocalConsumer[] = [];
  #over = false;

  constructor(
    id: string,
    bus: Bus,
    owned: boolean,
    harness: Harness,
    history: History,
    run: string,
  ) {
    this.id = id;
    this.bus = bus;
    this.#owned = owned;
    this.#harness = harness;
    this.#history = history;
    this.#run = run;
  }

  async consume(
    spec: ConsumeSpec,
    handler?: LocalHandler,
    abort: 'fail' | 'info' = 'info',
  ): Promise<Consumer> {
    const consumer = new LocalConsumer(
      `${this.id}.${this.#consumers.length + 1}`,
      this.id,
      spec,
      this.#history,
      this.#run,
    );
    const run = consumer.handler(handler ?? play(spec, this.#harness.clock), abort);
    const mark = {
      f: 'subscribe',
      process: this.id,
      topic: `${spec.kind}:${spec.topic.name}`,
      name: spec.name,
      from: spec.options?.from,
    } as const;
    await this.#history.during(mark, async () => {
      const topic = topicOf(spec.topic);
      const half = spec.kind === 'event' ? this.bus.events : this.bus.data;
      consumer.started(await half.subscribe(topic, spec.name, run, spec.options));
    });
    this.#consumers.push(consumer);
    return consumer;
  }

  async publish(
    kind: Kind,
    topic: PlainTopic,
    documents: readonly Outgoing[],
  ): Promise<readonly Published[]> {
    return publishAll(this.bus, kind, topic, documents);
  }

  async reset(topic: PlainTopic, group: string, to: From): Promise<ResetResult> {
    return this.bus.data.reset(topicOf(topic), group, to, {
      graceMs: 25_000 * (this.#harness.slow ?? 1),
    });
  }

  states(): readonly string[] {
    return this.#consumers.map(({ id, spec, handle }) => {
      const { partitions, running, buffered, held, reconnects } = handle.stats();
      const counts = `running ${running}, buffered ${buffered}, held ${held}, reconnects ${reconnects}`;
      return `${id} of ${spec.name}: ${handle.state} ${handle.detail ?? ''} owns [${partitions.join(' ')}], ${counts}`;
    });
  }

  async sync(): Promise<void> {
    // What happens in this process is in the history at once.
  }

  async crash(): Promise<void> {
    if (this.#harness.crash === undefined || !this.#owned) {
      throw new Error(
        `harness ${this.#harness.name} has neither processes nor crash: a consumer has to be able to die`,
      );
    }
    this.#over = true;
    await this.#harness.crash(this.bus);
    for (const consumer of this.#consumers) consumer.recorder.abandon();
    for (const { spec } of this.#consumers)
      this.#history.mark({
        f: 'crash',
        process: this.id,
        topic: `${spec.kind}:${spec.topic.name}`,
        name: spec.name,
      });
    await this.bus.close({ graceMs: 0 });
  }

  freeze(): Promise<void> {
    return this.crash();
  }

  async thaw(): Promise<void> {
    // It is dead, as one in this process cannot stand still alone.
  }

  async close(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    await Promise.all(this.#consumers.map((consumer) => consumer.close()));
    if (this.#owned) await this.bus.close();
  }
}

class LocalConsumer implements Consumer {
  readonly id: string;
  readonly member: string;
  readonly spec: ConsumeSpec;
  readonly recorder: Recorder;
  readonly #history: History;
  #handle: Handle | undefined;
  #closed = false;

  constructor(id: string, member: string, spec: ConsumeSpec, history: History, run: string) {
    this.id = id;
    this.member = member;
    this.spec = spec;
    this.#history = history;
    this.recorder = new Recorder(history, run, this);
  }

  get deliveries(): Recorder['deliveries'] {
    return this.recorder.deliveries;
  }

  get handle(): Handle {
    if (this.#handle === undefined) throw new Error(`consumer ${this.id} has not been started`);
    return this.#handle;
  }

  started(handle: Handle): void {
    this.#handle = handle;
    // How it ends is for the case to look at: `done` is the handle's own.
    handle.done.catch(() => undefined);
  }

  handler(inner: LocalHandler, abort: 'fail' | 'info'): LocalHandler {
    return async (document: Doc, delivery: Delivery) => {
      const op = this.recorder.begin(handed(document, delivery));
      if (op === undefined) return;
      const stop = (): void => this.recorder.end(op, abort);
      delivery.signal.addEventListener('abort', stop, { once: true });
      try {
        await inner(document, delivery);
        this.recorder.end(op, 'ok');
      } catch (error) {
        this.recorder.end(op, 'fail');
        throw error;
      } finally {
        delivery.signal.removeEventListener('abort', stop);
      }
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { kind, topic, name } = this.spec;
    await this.#history.during(
      {
        f: 'close',
        process: this.member,
        topic: `${kind}:${topic.name}`,
        name,
        consumer: this.id,
      },
      async () => this.handle.close(),
    );
  }
}
