import type { WireRequest } from './client.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

export interface BrokerAddress {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

export interface TopicMetadata {
  readonly name: string;
  readonly errorCode: number;
  /** Kafka's own: another one after the topic was deleted and made anew. */
  readonly id: string;
  /** Leader by partition, -1 where there is none. */
  readonly leaders: readonly number[];
}

export interface ClusterMetadata {
  readonly brokers: readonly BrokerAddress[];
  readonly controllerId: number;
  readonly topics: ReadonlyMap<string, TopicMetadata>;
}

/** Metadata version 12. Own code, because only version 10 and later tell the id of a topic, and because kafkajs throws
 *  for all topics when one of them does not exist. */
export function metadataRequest(topics: readonly string[]): WireRequest<ClusterMetadata> {
  return {
    apiKey: 3,
    apiName: 'Metadata',
    apiVersion: 12,
    waitMs: 0,
    encode(): Buffer {
      const writer = new WireWriter().zeros(1).uvarint(topics.length + 1); // tags of the header
      for (const topic of topics) writer.zeros(16).compactString(topic).zeros(1);
      return writer.int8(0).int8(0).zeros(1).written; // no automatic creation, no authorised operations
    },
    decode(payload: Buffer) {
      const reader = new WireReader(payload);
      reader.tags(); // of the header
      const throttleMs = reader.int32();
      const brokers = reader.compactArray(() => readBroker(reader));
      reader.compactString(); // cluster id
      const controllerId = reader.int32();
      const found = reader.compactArray(() => readTopic(reader));
      return {
        throttleMs,
        errorCode: 0,
        result: {
          brokers,
          controllerId,
          topics: new Map(found.map((topic) => [topic.name, topic])),
        },
      };
    },
  };
}

function readBroker(reader: WireReader): BrokerAddress {
  const nodeId = reader.int32();
  const host = reader.compactString() ?? '';
  const port = reader.int32();
  reader.compactString(); // rack
  reader.tags();
  return { nodeId, host, port };
}

function readTopic(reader: WireReader): TopicMetadata {
  const errorCode = reader.int16();
  const name = reader.compactString() ?? '';
  const id = reader.bytes(16).toString('base64url');
  reader.int8(); // internal
  const leaders: number[] = [];
  reader.compactArray(() => {
    reader.int16(); // why there is no leader
    leaders[reader.int32()] = reader.int32();
    reader.int32(); // leader epoch
    for (let list = 0; list < 3; list += 1) reader.compactArray(() => reader.int32()); // replicas, in sync, offline
    reader.tags();
  });
  reader.int32();
  reader.tags();
  return { name, errorCode, id, leaders: Array.from(leaders, (leader) => leader ?? -1) };
}
