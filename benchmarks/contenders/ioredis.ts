import { Redis } from 'ioredis';
import { v7 } from 'uuid';
import { type Contender, type Handle, prefetch, type Setting } from '../contender.ts';
import type { BenchDocument } from '../document.ts';
import { PipelinedAdder } from './ioredis-pipelining.ts';

const ackEvery = 100;
const ackMs = 50;
const group = 'bench';

type Entries = readonly (readonly [id: string, fields: readonly string[]])[];

/** A subscription by hand: pipelined XADD, a consumer group, acknowledged and deleted in batches. */
export function ioredisContender({ url, run }: Setting): Contender {
  const stream = `raw-${run}`;
  const publishing = new Redis(url);
  const consuming = new Redis(url);
  const acknowledging = new Redis(url);
  const adder = new PipelinedAdder(publishing);
  return {
    async open() {
      await publishing.xgroup('CREATE', stream, group, '$', 'MKSTREAM');
    },
    publish: (document) => adder.add(stream, ['event', eventOf(document)]),
    consume: (handle) => consumeFrom(consuming, acknowledging, stream, handle),
    async close() {
      await publishing.del(stream);
      await Promise.all([publishing.quit(), acknowledging.quit()]);
      consuming.disconnect();
    },
  };
}

/** What a bus has to say with every document. */
export function eventOf(document: BenchDocument, key?: string): string {
  const id = v7();
  return JSON.stringify({
    specversion: '1.0',
    id,
    source: '/bench',
    type: 'bench.order',
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    correlationid: id,
    partitionkey: key,
    data: document,
  });
}

async function consumeFrom(
  reader: Redis,
  writer: Redis,
  stream: string,
  handle: Handle,
): Promise<() => Promise<void>> {
  const acks = new Acknowledger(writer, stream);
  const stopping = new AbortController();
  const reading = (async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const found = await reader.xreadgroup(
        'GROUP',
        group,
        'one',
        'COUNT',
        prefetch,
        'BLOCK',
        100,
        'STREAMS',
        stream,
        '>',
      );
      for (const [id, fields] of entriesOf(found))
        await handleOne(fields, handle, () => acks.add(id));
    }
  })();
  return async () => {
    stopping.abort();
    await reading;
    await acks.flush();
  };
}

function entriesOf(found: unknown): Entries {
  const [first] = (found ?? []) as readonly (readonly [string, Entries])[];
  return first?.[1] ?? [];
}

async function handleOne(
  fields: readonly string[],
  handle: Handle,
  done: () => void,
): Promise<void> {
  const event = JSON.parse(fields[1] ?? '') as { type?: string; id?: string; data: BenchDocument };
  if (event.type !== 'bench.order' || typeof event.id !== 'string')
    throw new Error('not one of ours');
  const handling = handle(event.data);
  if (handling instanceof Promise) await handling;
  done();
}

class Acknowledger {
  readonly #client: Redis;
  readonly #stream: string;
  #ids: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: Redis, stream: string) {
    this.#client = client;
    this.#stream = stream;
  }

  add(id: string): void {
    this.#ids.push(id);
    if (this.#ids.length >= ackEvery) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), ackMs);
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const ids = this.#ids;
    this.#ids = [];
    if (ids.length > 0)
      this.#last = this.#client
        .pipeline()
        .xack(this.#stream, group, ...ids)
        .xdel(this.#stream, ...ids)
        .exec();
    await this.#last;
  }
}
