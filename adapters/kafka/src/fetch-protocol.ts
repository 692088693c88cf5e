import type { WireRequest } from './client.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';
import type { AbortedTransaction } from './record-batch.ts';

export interface FetchPartition {
  readonly partition: number;
  readonly offset: number;
}

export interface FetchTopic {
  readonly topic: string;
  readonly partitions: readonly FetchPartition[];
}

export interface FetchLimits {
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly maxPartitionBytes: number;
}

export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  /** The place after the last record that is not part of an open transaction. */
  readonly stableEnd: number;
  readonly start: number;
  readonly aborted: readonly AbortedTransaction[];
  readonly batches: Buffer;
}

const readCommitted = 1;
const nothing = Buffer.alloc(0);

/** `fetchTopics` for one topic. */
export function fetchRequest(
  topic: string,
  partitions: readonly FetchPartition[],
  limits: FetchLimits,
): WireRequest<readonly FetchedPartition[]> {
  return fetchTopics([{ topic, partitions }], limits);
}

/** Fetch version 11. Own code, because kafkajs drops the whole response when one partition of it has an error, cannot
 *  tell how far a batch without records reaches, and fails as a whole on one batch that it cannot decode. */
export function fetchTopics(
  asked: readonly FetchTopic[],
  limits: FetchLimits,
): WireRequest<readonly FetchedPartition[]> {
  return {
    apiKey: 1,
    apiName: 'Fetch',
    apiVersion: 11,
    waitMs: limits.maxWaitMs,
    encode(): Buffer {
      const writer = new WireWriter(128)
        .int32(-1) // not a replica
        .int32(limits.maxWaitMs)
        .int32(1) // answer as soon as there is a byte
        .int32(limits.maxBytes)
        .int8(readCommitted)
        .int32(0) // no session
        .int32(-1)
        .int32(asked.length);
      for (const { topic, partitions } of asked) {
        writer.string(topic).int32(partitions.length);
        for (const { partition, offset } of partitions)
          writer.int32(partition).int32(-1).int64(offset).int64(-1).int32(limits.maxPartitionBytes);
      }
      return writer.int32(0).string('').written; // no topics to forget, no rack
    },
    decode(payload: Buffer) {
      const reader = new WireReader(payload);
      const throttleMs = reader.int32();
      const errorCode = reader.int16();
      reader.int32();
      const topics = reader.array(() => {
        const topic = reader.string() ?? '';
        return reader.array(() => readPartition(reader, topic));
      });
      return { throttleMs, errorCode, result: topics.flat() };
    },
  };
}

function readPartition(reader: WireReader, topic: string): FetchedPartition {
  const partition = reader.int32();
  const errorCode = reader.int16();
  reader.int64(); // high watermark
  const stableEnd = reader.int64();
  const start = reader.int64();
  const aborted = reader.array(() => ({ producerId: reader.int64(), firstOffset: reader.int64() }));
  reader.int32(); // preferred replica: none without a rack
  const length = reader.int32();
  return {
    topic,
    partition,
    errorCode,
    stableEnd,
    start,
    aborted,
    batches: length > 0 ? reader.bytes(length) : nothing,
  };
}
