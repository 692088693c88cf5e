import {
  BusError,
  type EditResult,
  type PointerChange,
  type StoredPointer,
  type StoredTopic,
} from '@duobus/core/driver';
import { Carrier } from './carrier.ts';
import type { Broker } from './client.ts';
import { evict, membersOf } from './group-eviction.ts';
import { resetterClientId, resetterGrace } from './group-protocol.ts';
import { GroupSession, type Session } from './group-session.ts';
import { partitionsIn } from './group-shares.ts';
import { classify, KafkaCode, kafkaCode } from './native-errors.ts';
import type { Settings } from './options.ts';
import {
  checkPointer,
  type Committer,
  commitPointers,
  fetchPointers,
  nobody,
} from './pointer-store.ts';
import { groupId } from './topology.ts';
import { pause } from './waiting.ts';

export interface EditContext {
  readonly settings: Settings;
  readonly topic: StoredTopic;
  readonly kafkaTopic: string;
  readonly partitions: number;
  readonly group: string;
  readonly graceMs: number;
}

const unknownMember = 25;
const nonEmptyGroup = 68;
const noSuchGroup = 69;
const fencing: readonly (number | undefined)[] = [22, unknownMember, 27];
const evictEveryMs = 250;
let lastId = 0;

/** Changes the pointers of a group while nobody owns them. */
export async function editPointers(
  context: EditContext,
  change: PointerChange,
  signal: AbortSignal,
): Promise<EditResult> {
  const carrier = new Carrier(
    context.settings,
    resetterClientId(context.settings.clientId, context.graceMs),
  );
  const stop = new AbortController();
  try {
    const id = groupId(context.topic, context.group);
    if (
      (await membersOf(carrier, id, signal)).length === 0 &&
      (await editIdle(carrier, id, context, change, signal))
    )
      return { superseded: false };
    return await new Edit(carrier, id, context, change).run(AbortSignal.any([signal, stop.signal]));
  } finally {
    stop.abort();
    carrier.close();
  }
}

/** A group without members takes commits from anyone, and refuses them as soon as there is one: false. */
async function editIdle(
  carrier: Carrier,
  id: string,
  context: EditContext,
  change: PointerChange,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await changeUnder(nobody, carrier, id, context, change, signal);
    return true;
  } catch (error) {
    if (kafkaCode(error) === unknownMember) return false;
    throw error;
  }
}

async function changeUnder(
  committer: Committer,
  carrier: Carrier,
  id: string,
  { kafkaTopic, partitions }: EditContext,
  change: PointerChange,
  signal: AbortSignal,
): Promise<void> {
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const stored = await carrier.coordinated(id, signal, (broker) =>
    fetchPointers(broker, id, partitionsIn(kafkaTopic), all),
  );
  const writes: { readonly partition: number; readonly pointer: StoredPointer }[] = [];
  for (const partition of all) {
    const pointer = await change(partition, stored[partition]);
    if (pointer === undefined) continue;
    checkPointer(pointer, partition);
    writes.push({ partition, pointer });
  }
  if (writes.length > 0)
    await carrier.coordinated(id, signal, (broker) =>
      commitPointers(broker, id, partitionsIn(kafkaTopic), committer, writes),
    );
}

/** Takes the whole group by its own protocol: joins as the one that gets everything, commits, leaves. */
class Edit {
  readonly #carrier: Carrier;
  readonly #id: string;
  readonly #context: EditContext;
  readonly #change: PointerChange;
  readonly #session: GroupSession;

  constructor(carrier: Carrier, id: string, context: EditContext, change: PointerChange) {
    this.#carrier = carrier;
    this.#id = id;
    this.#context = context;
    this.#change = change;
    this.#session = new GroupSession(carrier, context.settings, id, context.kafkaTopic);
  }

  async run(signal: AbortSignal): Promise<EditResult> {
    const { graceMs, partitions, settings } = this.#context;
    // the oldest goes first, so that nobody waits for ever
    lastId = Math.max(lastId + 1, Date.now());
    const me = {
      role: 'reset',
      id: `${String(lastId).padStart(16, '0')}-${crypto.randomUUID()}`,
      owned: [],
      partitions,
    } as const;
    const joined = new AbortController();
    const evicting = this.#evict(AbortSignal.any([signal, joined.signal]));
    evicting.catch(() => undefined); // awaited below, when joining is over
    try {
      for (;;) {
        const round = this.#session.join(
          me,
          Math.max(settings.rebalanceTimeoutMs, graceMs + settings.sessionTimeoutMs),
          signal,
        );
        const session = await round;
        if (session === undefined) continue;
        if (session.resetter !== session.memberId) await this.#waitForTurn(signal);
        else if (await this.#write(session, signal)) break;
      }
      return { superseded: await this.#othersWait(signal) };
    } finally {
      joined.abort();
      await evicting;
      await this.#session.leave().catch(() => undefined); // the session's end does it
    }
  }

  /** False where the group moved on before the write: nothing was written. */
  async #write(session: Session, signal: AbortSignal): Promise<boolean> {
    try {
      await changeUnder(
        session,
        this.#carrier,
        this.#id,
        { ...this.#context, partitions: session.owned.length },
        this.#change,
        signal,
      );
      return true;
    } catch (error) {
      const code = kafkaCode(error);
      if (!fencing.includes(code)) throw error;
      if (code === unknownMember) this.#session.forget();
      return false;
    }
  }

  /** Another reset is first: until the group is rebalanced again. */
  async #waitForTurn(signal: AbortSignal): Promise<void> {
    for (;;) {
      await pause(this.#context.settings.heartbeatIntervalMs / 4, signal);
      try {
        await this.#session.heartbeat();
      } catch (error) {
        const code = kafkaCode(error);
        if (!fencing.includes(code)) throw error;
        if (code === unknownMember) this.#session.forget();
        return;
      }
    }
  }

  async #othersWait(signal: AbortSignal): Promise<boolean> {
    const members = await membersOf(this.#carrier, this.#id, signal);
    return members.some(
      ({ clientId, memberId }) =>
        memberId !== this.#session.memberId && resetterGrace(clientId) !== undefined,
    );
  }

  /** After the grace time, members that have not come are put out of the group, over a connection of its own: joining
   *  holds up the other one. Who is alive joins again. */
  async #evict(signal: AbortSignal): Promise<void> {
    const { settings, graceMs } = this.#context;
    const carrier = new Carrier(settings, resetterClientId(settings.clientId, graceMs));
    try {
      await pause(graceMs + 2 * settings.heartbeatIntervalMs, signal);
      for (;;) {
        await evict(
          carrier,
          this.#id,
          ({ clientId }) => resetterGrace(clientId) === undefined,
          signal,
        );
        await pause(evictEveryMs, signal);
      }
    } catch (error) {
      if (!signal.aborted && classify(error).code === 'DUOBUS_BUG') throw error; // everything else shows in joining
    } finally {
      carrier.close();
    }
  }
}

/** @throws BusError DUOBUS_CONFLICT while the group has members */
export async function deleteGroup(
  carrier: Carrier,
  id: string,
  group: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await carrier.coordinated(id, signal, (broker) => deleteAt(broker, id));
  } catch (error) {
    if (kafkaCode(error) !== nonEmptyGroup) throw error;
    throw new BusError(
      'DUOBUS_CONFLICT',
      `group '${group}' cannot be removed while it has running members: close them first`,
      { cause: error, context: { group } },
    );
  }
}

/** kafkajs leaves the code of the group in the answer: thrown, a coordinator that moves is asked again. */
async function deleteAt(broker: Broker, id: string): Promise<void> {
  const { results } = await broker.deleteGroups([id]);
  const code = results[0]?.errorCode ?? 0;
  if (code !== 0 && code !== noSuchGroup) throw new KafkaCode(code);
}
