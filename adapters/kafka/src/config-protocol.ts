import type { WireRequest } from './client.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

const topicResource = 2;
const set = 0;

/** IncrementalAlterConfigs version 0. Own code, because kafkajs only has the request that resets what it does not name. */
export function setTopicConfigs(
  topic: string,
  configs: Readonly<Record<string, string>>,
): WireRequest<undefined> {
  return {
    apiKey: 44,
    apiName: 'IncrementalAlterConfigs',
    apiVersion: 0,
    waitMs: 0,
    encode(): Buffer {
      const entries = Object.entries(configs);
      const writer = new WireWriter()
        .int32(1)
        .int8(topicResource)
        .string(topic)
        .int32(entries.length);
      for (const [name, value] of entries) writer.string(name).int8(set).string(value);
      return writer.int8(0).written; // not only to validate
    },
    decode(payload: Buffer) {
      const reader = new WireReader(payload);
      const throttleMs = reader.int32();
      const errorCodes = reader.array(() => {
        const code = reader.int16();
        reader.string();
        reader.int8();
        reader.string();
        return code;
      });
      return {
        throttleMs,
        errorCode: errorCodes.find((code) => code !== 0) ?? 0,
        result: undefined,
      };
    },
  };
}
