import { abortable, type Address, BusError } from '@duobus/core/driver';
import type { ApiVersions, Broker, Cluster, ProtocolRequest, WireRequest } from './client.ts';
import { createCluster, introduce } from './kafkajs-client.ts';
import type { Login } from './login.ts';
import { type ClusterMetadata, metadataRequest } from './metadata-protocol.ts';
import { classify, isConnectionFailure, KafkaCode, kafkaCode } from './native-errors.ts';
import type { Settings } from './options.ts';
import { stopTimerStorm } from './timer-storm.ts';
import { pause, within } from './waiting.ts';

interface Link {
  readonly promise: Promise<Broker>;
  broker: Broker | undefined;
}

/** Versions the adapter's own requests are written in; OffsetCommit is the newest that can say how long to keep. */
const needed: readonly { readonly key: number; readonly name: string; readonly version: number }[] =
  [
    { key: 0, name: 'Produce', version: 8 },
    { key: 1, name: 'Fetch', version: 11 },
    { key: 3, name: 'Metadata', version: 12 },
    { key: 8, name: 'OffsetCommit', version: 4 },
    { key: 44, name: 'IncrementalAlterConfigs', version: 0 },
  ];
const offsetCommit = 8;
/** A broker answers so until it has loaded what it coordinates. */
const notReady: readonly (number | undefined)[] = [14, 15, 16];

/**
 * Connections to the brokers of a cluster, for one purpose: Kafka answers the requests of a connection one after the
 * other, so whatever may wait (joining, long polls) has a carrier of its own. Nothing is retried; a connection that
 * failed is replaced by the next call that needs it.
 */
export class Carrier {
  readonly #settings: Settings;
  readonly #cluster: Cluster;
  readonly #links = new Map<string, Link>();
  #addresses: ReadonlyMap<number, Address> = new Map();
  readonly #coordinators = new Map<string, Address>();
  readonly #ended = new AbortController();

  constructor(settings: Settings, clientId: string = settings.clientId) {
    this.#settings = settings;
    this.#cluster = createCluster(settings, clientId);
  }

  get closed(): boolean {
    return this.#ended.signal.aborted;
  }

  /** What the cluster says now about itself and about these topics; topics that do not exist carry an error code. */
  async metadata(topics: readonly string[]): Promise<ClusterMetadata> {
    const metadata = await this.send(await this.#any(), metadataRequest(topics));
    this.#addresses = new Map(
      metadata.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]),
    );
    return metadata;
  }

  async broker(nodeId: number): Promise<Broker> {
    const address = this.#addresses.get(nodeId) ?? (await this.#lookUp(nodeId));
    return await this.#connect(address);
  }

  async brokers(): Promise<readonly Broker[]> {
    const { brokers } = await this.metadata([]);
    return await Promise.all(brokers.map(({ nodeId }) => this.broker(nodeId)));
  }

  async controller(): Promise<Broker> {
    const { controllerId } = await this.metadata([]);
    return controllerId < 0 ? await this.#any() : await this.broker(controllerId);
  }

  /** Calls a verb of any broker. */
  async anywhere<T>(verb: (broker: Broker) => Promise<T>): Promise<T> {
    return await this.call(await this.#any(), verb);
  }

  /** Calls a verb of the group's coordinator, once it is ready. */
  async coordinated<T>(
    groupId: string,
    signal: AbortSignal,
    verb: (broker: Broker) => Promise<T>,
  ): Promise<T> {
    return await this.whenReady(() => this.atCoordinator(groupId, verb), signal);
  }

  /** Asks again while the broker says that it is still starting: kafkajs' verbs do not wait for that. */
  async whenReady<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (const deadline = Date.now() + this.#settings.requestTimeoutMs; ; ) {
      try {
        return await abortable(ask(), signal);
      } catch (error) {
        if (!notReady.includes(kafkaCode(error)) || Date.now() > deadline) throw error;
        await pause(50, signal);
      }
    }
  }

  /** As `coordinated`, without waiting. */
  async atCoordinator<T>(groupId: string, verb: (broker: Broker) => Promise<T>): Promise<T> {
    const address = this.#coordinators.get(groupId) ?? (await this.#findCoordinator(groupId));
    try {
      return await this.call(await this.#connect(address), verb);
    } catch (error) {
      if (notReady.includes(kafkaCode(error)) || classify(error).code === 'DUOBUS_UNAVAILABLE')
        this.#coordinators.delete(groupId);
      throw error;
    }
  }

  /** Calls a verb; a broken connection is dropped, so that nothing waits on it. */
  async call<T>(broker: Broker, verb: (broker: Broker) => Promise<T>): Promise<T> {
    this.#check();
    try {
      return await verb(broker);
    } catch (error) {
      if (isConnectionFailure(error)) this.#drop(broker);
      throw error;
    }
  }

  /** Sends a request in the adapter's own encoding. @throws KafkaCode for an error code of the whole answer */
  async send<T>(broker: Broker, request: WireRequest<T>): Promise<T> {
    const answer = await this.call(broker, ({ connectionPool }) =>
      connectionPool.send(toProtocol(request)),
    );
    return answer as T;
  }

  /** Cuts every connection at once: kafkajs' own disconnect waits for outstanding answers. Idempotent. */
  close(): void {
    this.#ended.abort(new BusError('DUOBUS_CLOSED', 'the Kafka adapter has been closed'));
    this.disconnect();
  }

  /** Cuts every connection; the next call opens them anew. */
  disconnect(): void {
    for (const { broker } of this.#links.values()) if (broker !== undefined) cut(broker);
    this.#links.clear();
  }

  async #findCoordinator(groupId: string): Promise<Address> {
    const { coordinator } = await this.anywhere((broker) =>
      broker.findGroupCoordinator({ groupId, coordinatorType: 0 }),
    );
    const address = { host: coordinator.host, port: coordinator.port };
    this.#coordinators.set(groupId, address);
    return address;
  }

  async #lookUp(nodeId: number): Promise<Address> {
    await this.metadata([]);
    const address = this.#addresses.get(nodeId);
    if (address === undefined)
      throw new BusError(
        'DUOBUS_UNAVAILABLE',
        `broker ${nodeId} is not part of the cluster at the moment`,
        { retryable: true },
      );
    return address;
  }

  /** A broker with a connection: one that is there, else the first that answers. */
  async #any(): Promise<Broker> {
    for (const link of this.#links.values())
      if (link.broker !== undefined && isAlive(link.broker)) return link.broker;
    let failure: unknown;
    for (const address of [...this.#addresses.values(), ...this.#settings.brokers]) {
      try {
        return await this.#connect(address);
      } catch (error) {
        if (BusError.is(error) && !error.retryable) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  #connect(address: Address): Promise<Broker> {
    this.#check();
    const name = `${address.host}:${address.port}`;
    const known = this.#links.get(name);
    if (known !== undefined && (known.broker === undefined || isAlive(known.broker)))
      return known.promise;
    if (known?.broker !== undefined) cut(known.broker);
    // shared by everyone who needs it: kafkajs opens a second socket over the first when asked twice
    const link: Link = {
      broker: undefined,
      promise: this.#open(address, (broker) => (link.broker = broker)),
    };
    this.#links.set(name, link);
    link.promise.catch(() => this.#links.get(name) === link && this.#links.delete(name));
    return link.promise;
  }

  async #open(address: Address, opened: (broker: Broker) => void): Promise<Broker> {
    const { logins } = this.#settings;
    const { signal } = this.#ended;
    const dialling = logins.use((login) => this.#dial(address, login, opened), signal);
    return await abortable(dialling, signal);
  }

  async #dial(address: Address, login: Login, opened: (broker: Broker) => void): Promise<Broker> {
    this.#check();
    const { connectTimeoutMs } = this.#settings;
    const connectionPool = await this.#cluster.connectionPoolBuilder.build(address);
    introduce(connectionPool, login);
    for (const { requestQueue } of connectionPool.pool.slice(0, 1)) stopTimerStorm(requestQueue);
    const { brokerPool } = this.#cluster;
    const broker = brokerPool.createBroker({ connectionPool, logger: brokerPool.rootLogger });
    const late = (): Error =>
      new BusError(
        'DUOBUS_UNAVAILABLE',
        `broker ${address.host}:${address.port} did not answer within ${connectTimeoutMs} ms`,
        { retryable: true },
      );
    try {
      await abortable(within(broker.connect(), connectTimeoutMs, late), this.#ended.signal);
      checkVersions(broker.versions ?? {}, address);
    } catch (error) {
      cut(broker);
      throw classify(error, `connecting to Kafka at ${address.host}:${address.port}`);
    }
    opened(broker);
    return broker;
  }

  #drop(broker: Broker): void {
    for (const [name, link] of this.#links) if (link.broker === broker) this.#links.delete(name);
    cut(broker);
  }

  #check(): void {
    this.#ended.signal.throwIfAborted();
  }
}

function isAlive(broker: Broker): boolean {
  return broker.connectionPool.pool[0]?.isConnected() === true;
}

function checkVersions(versions: ApiVersions, { host, port }: Address): void {
  for (const { key, name, version } of needed) {
    const { minVersion, maxVersion } = versions[key] ?? { minVersion: 0, maxVersion: -1 };
    if (version < minVersion || version > maxVersion) {
      throw new BusError(
        'DUOBUS_NOT_SUPPORTED',
        `the broker at ${host}:${port} speaks ${name} ${minVersion} to ${maxVersion}, version ${version} is needed: this adapter is for Kafka 3.0 to 4.x`,
      );
    }
  }
  const commit = versions[offsetCommit];
  if (commit !== undefined) commit.maxVersion = 4; // later versions cannot keep the offsets of a stopped group
}

function cut(broker: Broker): void {
  for (const connection of broker.connectionPool.pool) {
    const reason = Object.assign(new Error('the connection was cut'), { code: 'ECONNABORTED' });
    connection.rejectRequests(
      Object.assign(new Error('Closed connection'), { name: 'KafkaJSConnectionClosedError' }),
    );
    connection.authHandlers?.onError();
    connection.requestQueue.destroy();
    connection.socket?.destroy(reason);
  }
}

function toProtocol<T>(wire: WireRequest<T>): ProtocolRequest {
  const { apiKey, apiName, apiVersion, waitMs } = wire;
  return {
    request: {
      apiKey,
      apiName,
      apiVersion,
      async encode() {
        const buffer = wire.encode();
        return { buf: buffer, buffer };
      },
    },
    response: {
      async decode(payload) {
        const { throttleMs, errorCode, result } = wire.decode(payload);
        return { clientSideThrottleTime: throttleMs, errorCode, result };
      },
      async parse({ errorCode, result }: { errorCode: number; result: T }) {
        if (errorCode !== 0) throw new KafkaCode(errorCode);
        return result;
      },
    },
    requestTimeout: waitMs > 0 ? waitMs + 1_000 : null,
    logResponseError: false,
  };
}
