import type { WireRequest } from './client.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

export interface Produced {
  readonly offset: number;
  /** When the broker appended the batch, 0 where the topic keeps the publisher's times. */
  readonly time: number;
}

const allInSync = -1;

/** Produce version 8: one batch to one partition, so that the answer is about nothing else. */
export function produceRequest(
  topic: string,
  partition: number,
  batch: Buffer,
  timeoutMs: number,
): WireRequest<Produced> {
  return {
    apiKey: 0,
    apiName: 'Produce',
    apiVersion: 8,
    waitMs: 0,
    encode: () =>
      new WireWriter(batch.length + topic.length * 3 + 64)
        .string(null) // no transaction
        .int16(allInSync)
        .int32(timeoutMs)
        .int32(1)
        .string(topic)
        .int32(1)
        .int32(partition)
        .int32(batch.length)
        .raw(batch).written,
    decode(payload: Buffer) {
      const reader = new WireReader(payload);
      const [answer] = reader.array(() => {
        reader.string();
        return reader.array(() => readPartition(reader));
      });
      return {
        throttleMs: reader.int32(),
        errorCode: answer?.[0]?.errorCode ?? -1,
        result: answer?.[0] ?? { offset: -1, time: 0 },
      };
    },
  };
}

function readPartition(reader: WireReader): Produced & { readonly errorCode: number } {
  reader.int32(); // partition
  const errorCode = reader.int16();
  const offset = reader.int64();
  const time = Math.max(0, reader.int64());
  reader.int64(); // start of the log
  reader.array(() => {
    reader.int32();
    reader.string();
  });
  reader.string(); // the broker's words
  return { errorCode, offset, time };
}
