import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { BusOptions, From, Handle, ResetResult } from '@duobus/core';
import { type Consumer, Recorder } from './consumer.ts';
import { forkBeside } from './fork-beside.ts';
import type { ProcessesHarness } from './harness.ts';
import type { DeliverOp, History } from './history.ts';
import type { Member } from './member.ts';
import type {
  ConsumeSpec,
  Kind,
  Message,
  Outgoing,
  PlainTopic,
  Published,
  Request,
} from './protocol.ts';

type Ask = Request extends infer R ? (R extends Request ? Omit<R, 'call'> : never) : never;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** A member in a process of its own, so that it can really die. */
export class RemoteMember implements Member {
  readonly id: string;
  readonly remote = true;
  readonly #child: ChildProcess;
  readonly #history: History;
  readonly #run: string;
  readonly #graceMs: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #consumers = new Map<string, RemoteConsumer>();
  readonly #exited: Promise<unknown>;
  #calls = 0;
  #over = false;
  /** It stands still or is dead: what is heard of it was told before. */
  #abandoned = false;

  private constructor(
    id: string,
    child: ChildProcess,
    history: History,
    run: string,
    slow: number,
  ) {
    this.id = id;
    this.#child = child;
    this.#history = history;
    this.#run = run;
    this.#graceMs = 5_000 * slow;
    this.#exited = once(child, 'exit').then(([code, signal]) =>
      this.#ended(`it ended with ${String(code ?? signal)}`),
    );
    child.on('message', (message) => this.#hear(message as Message));
  }

  static async start(
    id: string,
    processes: ProcessesHarness,
    options: BusOptions,
    history: History,
    run: string,
    slow = 1,
  ): Promise<RemoteMember> {
    const child = forkBeside(import.meta.url, 'child');
    const member = new RemoteMember(id, child, history, run, slow);
    const { url, adapter, options: adapterOptions } = processes;
    try {
      await member.#ask({
        do: 'connect',
        url,
        options,
        ...(adapter === undefined ? {} : { adapter }),
        ...(adapterOptions === undefined ? {} : { adapterOptions }),
      });
    } catch (error) {
      await member.#kill();
      throw error;
    }
    return member;
  }

  async consume(spec: ConsumeSpec): Promise<Consumer> {
    const consumer = new RemoteConsumer(
      `${this.id}.${this.#consumers.size + 1}`,
      this.id,
      spec,
      this.#history,
      this.#run,
      (id) => this.#closeConsumer(id),
    );
    this.#consumers.set(consumer.id, consumer);
    const mark = {
      f: 'subscribe',
      process: this.id,
      topic: `${spec.kind}:${spec.topic.name}`,
      name: spec.name,
      from: spec.options?.from,
    } as const;
    await this.#history.during(mark, () =>
      this.#ask({ do: 'consume', consumer: consumer.id, spec }),
    );
    return consumer;
  }

  async publish(
    kind: Kind,
    topic: PlainTopic,
    documents: readonly Outgoing[],
  ): Promise<readonly Published[]> {
    return (await this.#ask({ do: 'publish', kind, topic, documents })) as readonly Published[];
  }

  async reset(topic: PlainTopic, group: string, to: From): Promise<ResetResult> {
    const graceMs = this.#graceMs;
    return (await this.#ask({ do: 'reset', topic, group, to, graceMs })) as ResetResult;
  }

  states(): readonly string[] {
    return [];
  }

  async sync(): Promise<void> {
    // Its messages come in order: the answer comes after what it has told before.
    if (!this.#over && !this.#abandoned) await this.#ask({ do: 'answer' });
  }

  async crash(): Promise<void> {
    this.#over = true;
    await this.#kill();
    this.#abandon();
  }

  async freeze(): Promise<void> {
    this.#child.kill('SIGSTOP');
    this.#abandon();
  }

  async thaw(): Promise<void> {
    this.#child.kill('SIGCONT');
    this.#abandoned = false;
    await this.sync();
  }

  async close(): Promise<void> {
    if (this.#over) return;
    if (this.#abandoned) await this.thaw();
    this.#over = true;
    const open = [...this.#consumers.values()].filter((consumer) => !consumer.closed);
    await Promise.all(open.map((consumer) => consumer.close()));
    await this.#ask({ do: 'end' });
    await this.#exited;
  }

  /** What its consumers do from now on is not their group's any more. */
  #abandon(): void {
    this.#abandoned = true;
    for (const { recorder, spec } of this.#consumers.values()) {
      recorder.abandon();
      this.#history.mark({
        f: 'crash',
        process: this.id,
        topic: `${spec.kind}:${spec.topic.name}`,
        name: spec.name,
      });
    }
  }

  async #closeConsumer(consumer: string): Promise<void> {
    await this.#ask({ do: 'close', consumer });
  }

  async #kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  async #ask(request: Ask): Promise<unknown> {
    if (!this.#child.connected) throw new Error(`child process ${this.id} is gone`);
    this.#calls += 1;
    const call = this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject });
      this.#child.send({ ...request, call }, (error) => {
        if (error !== null) this.#answer(call, (waiting) => waiting.reject(error));
      });
    });
  }

  #hear(message: Message): void {
    if (message.what === 'reply') {
      const { call, value, error } = message;
      this.#answer(call, (waiting) => {
        if (error === undefined) waiting.resolve(value);
        else
          waiting.reject(
            Object.assign(new Error(`in child process ${this.id}: ${error.message}`), {
              code: error.code,
            }),
          );
      });
      return;
    }
    const consumer = this.#consumers.get(message.consumer);
    if (message.what === 'handed') {
      consumer?.begin(message.delivery, message.handed);
      if (this.#abandoned) consumer?.recorder.abandon();
    } else consumer?.end(message.delivery, message.type);
  }

  #answer(call: number, how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(call);
    this.#waiting.delete(call);
    if (waiting !== undefined) how(waiting);
  }

  #ended(why: string): void {
    for (const call of this.#waiting.keys())
      this.#answer(call, (waiting) =>
        waiting.reject(new Error(`child process ${this.id} did not answer: ${why}`)),
      );
  }
}

class RemoteConsumer implements Consumer {
  readonly id: string;
  readonly member: string;
  readonly spec: ConsumeSpec;
  readonly recorder: Recorder;
  readonly #history: History;
  readonly #close: (id: string) => Promise<void>;
  readonly #running = new Map<number, DeliverOp | undefined>();
  #closed = false;

  constructor(
    id: string,
    member: string,
    spec: ConsumeSpec,
    history: History,
    run: string,
    close: (id: string) => Promise<void>,
  ) {
    this.id = id;
    this.member = member;
    this.spec = spec;
    this.#history = history;
    this.#close = close;
    this.recorder = new Recorder(history, run, this);
  }

  get closed(): boolean {
    return this.#closed;
  }

  get deliveries(): Recorder['deliveries'] {
    return this.recorder.deliveries;
  }

  get handle(): Handle {
    throw new Error(`consumer ${this.id} runs in another process: its handle is there`);
  }

  begin(delivery: number, handed: Extract<Message, { what: 'handed' }>['handed']): void {
    this.#running.set(delivery, this.recorder.begin(handed));
  }

  end(delivery: number, type: 'ok' | 'fail' | 'info'): void {
    this.recorder.end(this.#running.get(delivery), type);
    this.#running.delete(delivery);
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
      () => this.#close(this.id),
    );
  }
}
