import { BusError } from '@duobus/core/driver';
import { Carrier } from './carrier.ts';
import type { Broker } from './client.ts';
import {
  type AssignmentData,
  assignments,
  decodeAssignment,
  encodeMember,
  type MemberData,
  protocolName,
  resetterGrace,
} from './group-protocol.ts';
import { classify, KafkaCode, kafkaCode } from './native-errors.ts';
import type { Settings } from './options.ts';
import type { Committer } from './pointer-store.ts';
import { within } from './waiting.ts';

/** What one round of joining brought. */
export interface Session
  extends Committer,
    Pick<AssignmentData, 'owned' | 'partitions' | 'resetter'> {
  readonly syncedAt: number;
}

const requestTimedOut = 7;
const illegalGeneration = 22;
const inconsistentProtocol = 23;
const unknownMember = 25;
const rebalanceInProgress = 27;

/** One participant of Kafka's group protocol, member or resetter. */
export class GroupSession {
  readonly #carrier: Carrier;
  readonly #settings: Settings;
  readonly #groupId: string;
  readonly #topic: string;
  #memberId = '';
  #generation = -1;
  #joining: Promise<unknown> | undefined;
  partitions = 0;
  /** What is owned is being given up for a new round. */
  leaving = false;

  constructor(carrier: Carrier, settings: Settings, groupId: string, topic: string) {
    this.#carrier = carrier;
    this.#settings = settings;
    this.#groupId = groupId;
    this.#topic = topic;
  }

  get memberId(): string {
    return this.#memberId;
  }

  /** The broker does not know this member any more. */
  forget(): void {
    this.#memberId = '';
  }

  /** One round; `undefined` when the group moved on meanwhile: join again. */
  async join(
    data: Omit<MemberData, 'v'>,
    rebalanceTimeoutMs: number,
    signal: AbortSignal,
  ): Promise<Session | undefined> {
    try {
      return await this.#carrier.coordinated(this.#groupId, signal, (broker) => {
        const round = this.#round(broker, data, rebalanceTimeoutMs);
        this.#joining = round.finally(() => (this.#joining = undefined));
        return this.#joining as Promise<Session>;
      });
    } catch (error) {
      signal.throwIfAborted();
      const code = kafkaCode(error);
      if (code === inconsistentProtocol) throw this.#foreign(error);
      if (code === unknownMember) this.forget();
      if (code === unknownMember || code === illegalGeneration || code === rebalanceInProgress)
        return undefined;
      throw error;
    }
  }

  async heartbeat(): Promise<void> {
    await this.#carrier.atCoordinator(this.#groupId, (broker) =>
      broker.heartbeat({
        groupId: this.#groupId,
        groupGenerationId: this.#generation,
        memberId: this.#memberId,
      }),
    );
  }

  /** Grace time of a resetter that is waiting for the group, if there is one. */
  async resetter(): Promise<number | undefined> {
    try {
      const { groups } = await this.#carrier.atCoordinator(this.#groupId, (broker) =>
        within(
          broker.describeGroups({ groupIds: [this.#groupId] }),
          1_000,
          () => new KafkaCode(requestTimedOut),
        ),
      );
      const graces = (groups[0]?.members ?? []).flatMap(
        ({ clientId }) => resetterGrace(clientId) ?? [],
      );
      return graces.length === 0 ? undefined : Math.max(...graces);
    } catch (error) {
      if (classify(error).retryable || classify(error).code === 'DUOBUS_PERMISSION')
        return undefined; // then it passes for a rebalance
      throw error;
    }
  }

  /** Tells the group, so that others take over at once: a member that just goes holds them up until its session ends. */
  async leave(): Promise<void> {
    // the broker answers one request of a connection after the other, and joining may take long: ask over another
    if (this.#memberId === '') await this.#joining?.catch(() => undefined); // only its answer tells the id; leaving is what is wanted now
    const memberId = this.#memberId;
    if (memberId === '') return;
    this.forget();
    const carrier = this.#joining === undefined ? this.#carrier : new Carrier(this.#settings);
    try {
      await carrier.atCoordinator(this.#groupId, (broker) =>
        broker.leaveGroup({ groupId: this.#groupId, memberId }),
      );
    } finally {
      if (carrier !== this.#carrier) carrier.close();
    }
  }

  async #round(
    broker: Broker,
    data: Omit<MemberData, 'v'>,
    rebalanceTimeoutMs: number,
  ): Promise<Session> {
    const groupId = this.#groupId;
    const joined = await broker.joinGroup({
      groupId,
      memberId: this.#memberId,
      sessionTimeout: this.#settings.sessionTimeoutMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      groupProtocols: [
        { name: protocolName, metadata: encodeMember(this.#topic, { v: 1, ...data }) },
      ],
    });
    const { memberId, generationId: generation } = joined;
    this.#memberId = memberId;
    this.#generation = generation;
    const leads = joined.leaderId === memberId;
    const groupAssignment = leads ? assignments(this.#topic, data.partitions, joined.members) : [];
    const syncedAt = Date.now();
    const { memberAssignment } = await broker.syncGroup({
      groupId,
      generationId: generation,
      memberId,
      groupAssignment,
    });
    const assignment = decodeAssignment(memberAssignment);
    if (assignment === undefined) throw this.#foreign(undefined);
    this.partitions = assignment.partitions;
    return {
      memberId,
      generation,
      syncedAt,
      owned: assignment.owned,
      partitions: assignment.partitions,
      resetter: assignment.resetter,
    };
  }

  #foreign(cause: unknown): BusError {
    const message = `the Kafka group '${this.#groupId}' is used by consumers that are not duobus: stop them, or choose another group name`;
    return new BusError('DUOBUS_CONFLICT', message, { cause, context: { groupId: this.#groupId } });
  }
}
