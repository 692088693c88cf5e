import { Registry, type RegistryOp, type TopologyMode } from '@duobus/core/driver';
import { untilOldEnough, youngMs } from './durable-queue.ts';
import { type Fold, FoldedStream, type Links } from './folded-stream.ts';
import type { Line } from './stream-line.ts';
import { registryQueue, streamQueue } from './topology.ts';

const opType = 'duobus.registry.op';

/** The records of topics and the names of subscriptions and groups, in a stream that is never trimmed. */
export class RegistryStream {
  readonly #stream: FoldedStream<RegistryFold>;

  constructor(links: Links) {
    this.#stream = new FoldedStream(links, {
      queue: registryQueue,
      declaration: streamQueue,
      what: `the registry '${registryQueue}'`,
      genesisType: 'duobus.registry.genesis',
      opType,
      waitUntilDurable: true,
      fold: () => new RegistryFold(),
      from: () => 'first',
      lostHelp:
        'a policy limits its age or length; take the policy off and restore the stream, since it holds what topics are like',
    });
  }

  /** What is known, be it some milliseconds old. `undefined`: there is no registry, and `mode` does not make one. */
  async known(mode: TopologyMode, signal: AbortSignal): Promise<Registry | undefined> {
    return (await this.#stream.known(mode, signal))?.registry;
  }

  /** Everything that was in the registry when this was called. */
  async fresh(mode: TopologyMode, signal: AbortSignal): Promise<Registry | undefined> {
    return (await this.#stream.fresh(mode, signal))?.registry;
  }

  /** Appends, waits until it is read back, and returns what `look` saw right before it was applied. */
  append<T>(op: RegistryOp, look: (before: Registry) => T, signal: AbortSignal): Promise<T> {
    return this.#stream.append(Registry.encode(op), ({ registry }) => look(registry), signal);
  }

  /** Resolves when the queues that were made after this name was registered are durable. */
  async untilOldEnough(topic: string, name: string, signal: AbortSignal): Promise<void> {
    const fold = await this.#stream.known('check', signal);
    await untilOldEnough(fold?.ageOf(topic, name) ?? 0, signal);
  }
}

class RegistryFold implements Fold {
  readonly registry: Registry = new Registry();
  /** Names that were registered so lately that their queues may not be durable yet, and when. */
  readonly #young = new Map<string, number>();
  #complete = false;
  #begun = false;

  get complete(): boolean {
    return this.#complete;
  }

  take({ offset, type, body, writtenAt }: Line): void {
    if (!this.#begun) this.#complete = offset === 0;
    this.#begun = true;
    if (type !== opType || !this.#complete) return;
    const text = body.toString();
    this.#noteAge(text, writtenAt);
    this.registry.apply(text);
  }

  /** How long ago this name was registered, in ms; infinite where it is long ago. */
  ageOf(topic: string, name: string): number {
    const at = this.#young.get(`${topic}/${name}`);
    return at === undefined ? Number.POSITIVE_INFINITY : Date.now() - at;
  }

  #noteAge(text: string, at: number | undefined): void {
    if (at === undefined || Date.now() - at > youngMs) return;
    for (const [key, time] of this.#young) if (Date.now() - time > youngMs) this.#young.delete(key);
    const op = JSON.parse(text) as RegistryOp;
    if (op.op !== 'name' || this.registry.names(op.kind, op.topic).includes(op.name)) return;
    this.#young.set(`${op.topic}/${op.name}`, at);
  }
}
