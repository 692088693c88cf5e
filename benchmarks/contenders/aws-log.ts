import { setTimeout as pause } from 'node:timers/promises';
import {
  CreateBucketCommand,
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { type Contender, type Handle, partitions, type Setting } from '../contender.ts';
import { type BenchDocument, keyOf } from '../document.ts';
import { configOf } from './aws.ts';
import { eventOf } from './ioredis.ts';

const Bucket = 'raw';
const mostInSegment = 1_000;
const firstBytes = 4 * 1_048_576;

/** A log by hand: numbered objects, one after the other for each partition, read in turn from the first. */
export function awsLogContender({ url, run }: Setting): Contender {
  const s3 = new S3Client({ ...configOf(url), forcePathStyle: true });
  const logs = Array.from(
    { length: partitions },
    (_, partition) => new Segments(s3, `raw-${run}/${partition}/`),
  );
  return {
    async open() {
      await s3
        .send(new CreateBucketCommand({ Bucket }))
        .catch((error: { readonly name: string }) => {
          if (!error.name.startsWith('BucketAlready')) throw error;
        });
    },
    publish: ({ customer, ...rest }) =>
      (logs[partitionOf(customer)] as Segments).add(eventOf({ customer, ...rest }, customer)),
    consume: (handle) => consumeFrom(s3, `raw-${run}/`, handle),
    close: async () => s3.destroy(),
  };
}

const partitionByKey = new Map(Array.from({ length: 1_000 }, (_, n) => [keyOf(n), n % partitions]));
const partitionOf = (key: string): number => partitionByKey.get(key) ?? 0;
const keyAt = (prefix: string, segment: number): string =>
  prefix + String(segment).padStart(12, '0');

interface Waiting {
  readonly line: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Writes what has come since the last segment as the next. */
class Segments {
  readonly #s3: S3Client;
  readonly #prefix: string;
  readonly #waiting: Waiting[] = [];
  #next = 0;
  #writing = false;

  constructor(s3: S3Client, prefix: string) {
    this.#s3 = s3;
    this.#prefix = prefix;
  }

  add(line: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ line, resolve, reject });
      if (!this.#writing) setImmediate(() => void this.#write());
      this.#writing = true;
    });
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, mostInSegment);
      const Key = keyAt(this.#prefix, this.#next);
      this.#next += 1;
      const Body = batch.map(({ line }) => line).join('\n');
      try {
        await this.#s3.send(new PutObjectCommand({ Bucket, Key, Body, IfNoneMatch: '*' }));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = false;
  }
}

async function consumeFrom(
  s3: S3Client,
  prefix: string,
  handle: Handle,
): Promise<() => Promise<void>> {
  const stopping = new AbortController();
  const read = async (partition: number): Promise<void> => {
    for (let segment = 0; !stopping.signal.aborted; ) {
      const lines = await linesOf(s3, keyAt(`${prefix}${partition}/`, segment));
      if (lines === undefined) {
        await pause(20);
        continue;
      }
      segment += 1;
      for (const line of lines) await handle(documentOf(line));
    }
  };
  const reads = Array.from({ length: partitions }, (_, partition) => read(partition));
  return async () => {
    stopping.abort();
    await Promise.all(reads);
  };
}

async function linesOf(s3: S3Client, Key: string): Promise<readonly string[] | undefined> {
  try {
    const Range = `bytes=0-${firstBytes - 1}`;
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, Range }));
    return (await Body?.transformToString())?.split('\n');
  } catch (error) {
    if (error instanceof NoSuchKey) return undefined;
    throw error;
  }
}

function documentOf(line: string): BenchDocument {
  const event = JSON.parse(line) as { type?: string; id?: string; data: BenchDocument };
  if (event.type !== 'bench.order' || typeof event.id !== 'string')
    throw new Error('not one of ours');
  return event.data;
}
