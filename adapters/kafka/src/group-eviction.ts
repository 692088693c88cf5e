import type { Carrier } from './carrier.ts';
import { kafkaCode } from './native-errors.ts';

const unknownMember = 25;

export interface MemberOfGroup {
  readonly memberId: string;
  readonly clientId: string;
}

/** Who is in a group, also while it is being rebalanced. */
export async function membersOf(
  carrier: Carrier,
  id: string,
  signal: AbortSignal,
): Promise<readonly MemberOfGroup[]> {
  const { groups } = await carrier.coordinated(id, signal, (broker) =>
    broker.describeGroups({ groupIds: [id] }),
  );
  return groups[0]?.members ?? [];
}

/** Puts members out of a group. Who is alive learns it by its next heartbeat, and joins again if it may. */
export async function evict(
  carrier: Carrier,
  id: string,
  matches: (member: MemberOfGroup) => boolean,
  signal: AbortSignal,
): Promise<void> {
  for (const member of await membersOf(carrier, id, signal)) {
    if (!matches(member)) continue;
    try {
      await carrier.coordinated(id, signal, (broker) =>
        broker.leaveGroup({ groupId: id, memberId: member.memberId }),
      );
    } catch (error) {
      if (kafkaCode(error) !== unknownMember) throw error; // gone by itself
    }
  }
}
