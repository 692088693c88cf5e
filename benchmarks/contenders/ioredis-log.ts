import { Redis } from 'ioredis';
import { type Contender, type Handle, partitions, type Setting } from '../contender.ts';
import { type BenchDocument, keyOf } from '../document.ts';
import { eventOf } from './ioredis.ts';
import { PipelinedAdder } from './ioredis-pipelining.ts';

const atOnce = 500;
const pointerMs = 1_000;

type Entries = readonly (readonly [id: string, fields: readonly string[]])[];

/** A log by hand: a stream per partition, pipelined XADD, XRANGE from a pointer that is written every second. */
export function ioredisLogContender({ url, run }: Setting): Contender {
  const streams = Array.from({ length: partitions }, (_, partition) => `raw-${run}.${partition}`);
  const pointers = `raw-${run}.pointers`;
  const publishing = new Redis(url);
  const consuming = new Redis(url);
  const adder = new PipelinedAdder(publishing);
  return {
    open: async () => undefined,
    publish: (document) =>
      adder.add(streams[partitionOf(document.customer)] as string, [
        'key',
        document.customer,
        'event',
        eventOf(document, document.customer),
      ]),
    consume: (handle) => consumeFrom(consuming, streams, pointers, handle),
    async close() {
      await publishing.del(...streams, pointers);
      await Promise.all([publishing.quit(), consuming.quit()]);
    },
  };
}

const partitionByKey = new Map(Array.from({ length: 1_000 }, (_, n) => [keyOf(n), n % partitions]));

function partitionOf(key: string): number {
  return partitionByKey.get(key) ?? 0;
}

async function consumeFrom(
  redis: Redis,
  streams: readonly string[],
  pointers: string,
  handle: Handle,
): Promise<() => Promise<void>> {
  const next = new Map<string, string>();
  const stop = new AbortController();
  const readings = streams.map(async (stream) => {
    while (!stop.signal.aborted) {
      const from = next.get(stream);
      const found: Entries = await redis.xrange(
        stream,
        from === undefined ? '-' : `(${from}`,
        '+',
        'COUNT',
        atOnce,
      );
      for (const [id, fields] of found) {
        await handle(documentOf(fields));
        next.set(stream, id);
      }
    }
  });
  const write = async (): Promise<void> => {
    if (next.size > 0) await redis.hset(pointers, next);
  };
  let failed: unknown;
  const timer = setInterval(
    () => void write().catch((error: unknown) => (failed = error)),
    pointerMs,
  );
  return async () => {
    stop.abort();
    clearInterval(timer);
    await Promise.all(readings);
    await write();
    if (failed !== undefined) throw failed;
  };
}

function documentOf(fields: readonly string[]): BenchDocument {
  const event = JSON.parse(fields[3] ?? '') as {
    readonly type?: unknown;
    readonly id?: unknown;
    readonly data: BenchDocument;
  };
  if (event.type !== 'bench.order' || typeof event.id !== 'string')
    throw new Error('not one of ours');
  return event.data;
}
