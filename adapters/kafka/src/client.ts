/*
 * What is used of the client: another one can take kafkajs' place by offering these shapes. kafkajs hands its Cluster
 * to partition assigners; the verbs on it are stable since version 1.0 but only partly in its types.
 */

/** kafkajs' `Kafka`, as far as it is looked at here. */
export interface KafkaClient {
  admin(): unknown;
  producer(): unknown;
  consumer(options: { groupId: string }): unknown;
}

/** A request in the adapter's own encoding, sent over the client's connection. */
export interface WireRequest<T> {
  readonly apiKey: number;
  readonly apiName: string;
  readonly apiVersion: number;
  /** How long the broker may wait before it answers. */
  readonly waitMs: number;
  encode(): Buffer;
  decode(payload: Buffer): {
    readonly throttleMs: number;
    readonly errorCode: number;
    readonly result: T;
  };
}

/** A request as kafkajs' connection takes it. */
export interface ProtocolRequest {
  readonly request: {
    readonly apiKey: number;
    readonly apiName: string;
    readonly apiVersion: number;
    encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
  };
  readonly response: {
    decode(payload: Buffer): Promise<unknown>;
    parse(decoded: never): Promise<unknown>;
  };
  readonly requestTimeout: number | null;
  readonly logResponseError: boolean;
}

export interface RequestQueue {
  readonly pending: readonly unknown[];
  readonly throttledUntil: number;
  scheduleCheckPendingRequests(): void;
  destroy(): void;
}

export interface Connection {
  readonly requestQueue: RequestQueue;
  readonly socket?: { destroy(error?: Error): void };
  readonly authHandlers: { onError(): void } | null;
  /** Read when it connects, and when it proves who it is. */
  ssl: object | null;
  sasl: object | null;
  isConnected(): boolean;
  rejectRequests(error: Error): void;
}

export interface ConnectionPool {
  readonly host: string;
  readonly port: number;
  /** The second is for fetches alone. */
  readonly pool: readonly Connection[];
  send(request: ProtocolRequest): Promise<unknown>;
}

export type ApiVersions = Record<number, { minVersion: number; maxVersion: number }>;

export interface Cluster {
  readonly connectionPoolBuilder: {
    build(address: { host: string; port: number }): Promise<ConnectionPool>;
  };
  readonly brokerPool: {
    readonly rootLogger: unknown;
    createBroker(options: { connectionPool: ConnectionPool; logger: unknown }): Broker;
  };
}

export interface OffsetToCommit {
  readonly partition: number;
  readonly offset: string;
  readonly metadata: string;
}

export interface JoinedGroup {
  readonly generationId: number;
  readonly leaderId: string;
  readonly memberId: string;
  readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[];
}

export interface DescribedGroup {
  readonly groupId: string;
  readonly state: string;
  readonly members: readonly { readonly memberId: string; readonly clientId: string }[];
}

type Topics<T> = readonly { readonly topic: string; readonly partitions: readonly T[] }[];

/** The verbs of one broker. */
export interface Broker {
  readonly connectionPool: ConnectionPool;
  readonly versions: ApiVersions | null;
  connect(): Promise<void>;
  initProducerId(request: {
    transactionTimeout: number;
  }): Promise<{ producerId: string; producerEpoch: number }>;
  listOffsets(request: {
    isolationLevel: number;
    topics: Topics<{ partition: number; timestamp: string }>;
  }): Promise<{
    responses: { partitions: { partition: number; offset: string; timestamp: string }[] }[];
  }>;
  findGroupCoordinator(request: { groupId: string; coordinatorType: number }): Promise<{
    coordinator: { nodeId: number; host: string; port: number };
  }>;
  joinGroup(request: {
    groupId: string;
    sessionTimeout: number;
    rebalanceTimeout: number;
    memberId: string;
    groupProtocols: readonly { name: string; metadata: Buffer }[];
  }): Promise<JoinedGroup>;
  syncGroup(request: {
    groupId: string;
    generationId: number;
    memberId: string;
    groupAssignment: readonly { memberId: string; memberAssignment: Buffer }[];
  }): Promise<{ memberAssignment: Buffer }>;
  heartbeat(request: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
  }): Promise<unknown>;
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
  offsetCommit(request: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    retentionTime: number;
    topics: Topics<OffsetToCommit>;
  }): Promise<unknown>;
  offsetFetch(request: { groupId: string; topics: Topics<{ partition: number }> }): Promise<{
    responses: {
      topic: string;
      partitions: { partition: number; offset: string; metadata: string | null }[];
    }[];
  }>;
  describeGroups(request: {
    groupIds: readonly string[];
  }): Promise<{ groups: readonly DescribedGroup[] }>;
  listGroups(): Promise<{ groups: readonly { groupId: string }[] }>;
  deleteGroups(
    groupIds: readonly string[],
  ): Promise<{ results: readonly { groupId: string; errorCode: number }[] }>;
  createTopics(request: {
    topics: readonly {
      topic: string;
      numPartitions: number;
      replicationFactor: number;
      configEntries: readonly { name: string; value: string }[];
    }[];
    timeout: number;
  }): Promise<unknown>;
  deleteTopics(request: { topics: readonly string[]; timeout: number }): Promise<unknown>;
  deleteRecords(request: {
    topics: Topics<{ partition: number; offset: string }>;
    timeout: number;
  }): Promise<unknown>;
  createPartitions(request: {
    topicPartitions: readonly { topic: string; count: number }[];
    timeout: number;
  }): Promise<unknown>;
  describeConfigs(request: {
    resources: readonly { type: number; name: string; configNames: readonly string[] }[];
  }): Promise<{
    resources: readonly {
      configEntries: readonly { configName: string; configValue: string | null }[];
    }[];
  }>;
}
