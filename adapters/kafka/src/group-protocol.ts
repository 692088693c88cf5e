import { BusError } from '@duobus/core/driver';
import { assignPartitions } from './group-assignment.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

/** The only protocol that members of our groups speak: consumers of others are refused by the broker. */
export const protocolName = 'duobus';

/** What a member tells the leader of its group. */
export interface MemberData {
  readonly v: 1;
  readonly role: 'member' | 'reset';
  /** Of a resetter: when it came, so that the oldest goes first. */
  readonly id: string;
  readonly owned: readonly number[];
  /** Partitions it knows of: another number makes the broker rebalance. */
  readonly partitions: number;
}

/** What the leader tells a member. */
export interface AssignmentData {
  readonly v: 1;
  readonly by: 'duobus';
  /** Partitions that were shared out. */
  readonly partitions: number;
  readonly owned: readonly number[];
  /** The member that has everything because it resets. */
  readonly resetter: string | undefined;
}

export interface GroupMemberInfo {
  readonly memberId: string;
  readonly memberMetadata: Buffer;
}

const version = 0;

/** Kafka's own frame around our data, so that its tools show topic and partitions. */
export function encodeMember(topic: string, data: MemberData): Buffer {
  const text = Buffer.from(JSON.stringify(data));
  return new WireWriter().int16(version).int32(1).string(topic).int32(text.length).raw(text)
    .written;
}

/** @throws BusError DUOBUS_DECODE */
export function decodeMember(bytes: Buffer): MemberData {
  const reader = new WireReader(bytes);
  reader.int16();
  reader.array(() => reader.string());
  return checkVersion(JSON.parse(reader.bytes(reader.int32()).toString()) as MemberData);
}

export function encodeAssignment(topic: string, data: AssignmentData): Buffer {
  const text = Buffer.from(JSON.stringify(data));
  const writer = new WireWriter().int16(version).int32(1).string(topic).int32(data.owned.length);
  for (const partition of data.owned) writer.int32(partition);
  return writer.int32(text.length).raw(text).written;
}

/** `undefined` for what was not made by duobus: somebody else leads the group. */
export function decodeAssignment(bytes: Buffer): AssignmentData | undefined {
  if (bytes.length < 2) return undefined;
  let data: AssignmentData;
  try {
    const reader = new WireReader(bytes);
    reader.int16();
    reader.array(() => {
      reader.string();
      reader.array(() => reader.int32());
    });
    data = JSON.parse(reader.bytes(reader.int32()).toString()) as AssignmentData;
  } catch (error) {
    if (error instanceof SyntaxError || BusError.is(error, 'DUOBUS_DECODE')) return undefined;
    throw error;
  }
  return data.by === 'duobus' ? checkVersion(data) : undefined;
}

/** What the leader of a group decides: everything to the oldest resetter, else fair shares. */
export function assignments(
  topic: string,
  partitions: number,
  members: readonly GroupMemberInfo[],
): { memberId: string; memberAssignment: Buffer }[] {
  const told = members.map(({ memberId, memberMetadata }) => ({
    memberId,
    data: decodeMember(memberMetadata),
  }));
  const oldest = told
    .filter(({ data }) => data.role === 'reset')
    .toSorted((a, b) => (a.data.id < b.data.id ? -1 : 1))[0];
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const shares =
    oldest === undefined
      ? assignPartitions(
          partitions,
          told.map(({ memberId, data }) => ({ id: memberId, owned: data.owned })),
        )
      : new Map([[oldest.memberId, all]]);
  return told.map(({ memberId }) => ({
    memberId,
    memberAssignment: encodeAssignment(topic, {
      v: 1,
      by: 'duobus',
      partitions,
      owned: shares.get(memberId) ?? [],
      resetter: oldest?.memberId,
    }),
  }));
}

const resetterMark = '/duobus-reset/';

/** A resetter shows in its client id how long running handlers get: that is what others can see while it waits. */
export function resetterClientId(clientId: string, graceMs: number): string {
  return `${clientId}${resetterMark}${graceMs}`;
}

/** The grace time of a resetter, `undefined` for everyone else. */
export function resetterGrace(clientId: string): number | undefined {
  const at = clientId.lastIndexOf(resetterMark);
  const graceMs = at < 0 ? Number.NaN : Number(clientId.slice(at + resetterMark.length));
  return Number.isFinite(graceMs) ? graceMs : undefined;
}

function checkVersion<T extends { readonly v: number }>(data: T): T {
  if (data.v !== 1)
    throw new BusError(
      'DUOBUS_DECODE',
      `a member of the group speaks version ${data.v} of the group protocol, this version of duobus speaks 1: upgrade this process`,
    );
  return data;
}
