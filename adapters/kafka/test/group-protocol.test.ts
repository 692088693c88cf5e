import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import kafkajs from 'kafkajs';
import { BusError } from '@duobus/core/driver';
import {
  assignments,
  decodeAssignment,
  decodeMember,
  encodeAssignment,
  encodeMember,
  type MemberData,
  resetterClientId,
  resetterGrace,
} from '../src/group-protocol.ts';

const member = (over: Partial<MemberData> = {}): MemberData => ({
  v: 1,
  role: 'member',
  id: '',
  owned: [],
  partitions: 4,
  ...over,
});
const joined = (
  memberId: string,
  data: MemberData,
): { memberId: string; memberMetadata: Buffer } => ({
  memberId,
  memberMetadata: encodeMember('orders', data),
});
const owners = (members: Parameters<typeof assignments>[2]): Record<string, readonly number[]> =>
  Object.fromEntries(
    assignments('orders', 4, members).map(({ memberId, memberAssignment }) => [
      memberId,
      decodeAssignment(memberAssignment)?.owned ?? [],
    ]),
  );

describe('the group protocol', () => {
  it('is framed as other tools expect', () => {
    const { MemberMetadata, MemberAssignment } = kafkajs.AssignerProtocol;
    assert.deepEqual(MemberMetadata.decode(encodeMember('orders', member()))?.topics, ['orders']);
    const assignment = encodeAssignment('orders', {
      v: 1,
      by: 'duobus',
      partitions: 4,
      owned: [1, 3],
      resetter: undefined,
    });
    assert.deepEqual(MemberAssignment.decode(assignment)?.assignment, { orders: [1, 3] });
  });

  it('shares among members, keeping what they have', () => {
    assert.deepEqual(owners([joined('a', member({ owned: [2, 3] })), joined('b', member())]), {
      a: [2, 3],
      b: [0, 1],
    });
  });

  it('gives everything to the oldest reset that is there', () => {
    const members = [
      joined('a', member({ owned: [0] })),
      joined('new', member({ role: 'reset', id: '2-x' })),
      joined('old', member({ role: 'reset', id: '1-z' })),
    ];
    assert.deepEqual(owners(members), { a: [], new: [], old: [0, 1, 2, 3] });
    assert.equal(
      decodeAssignment(assignments('orders', 4, members)[0]?.memberAssignment ?? Buffer.alloc(0))
        ?.resetter,
      'old',
    );
  });

  it('tells what others have assigned from its own', () => {
    assert.equal(decodeAssignment(Buffer.alloc(0)), undefined);
    const { MemberAssignment } = kafkajs.AssignerProtocol;
    assert.equal(
      decodeAssignment(
        MemberAssignment.encode({
          version: 0,
          assignment: { orders: [0] },
          userData: Buffer.alloc(0),
        }),
      ),
      undefined,
    );
    assert.equal(
      decodeAssignment(
        MemberAssignment.encode({
          version: 0,
          assignment: { orders: [0] },
          userData: Buffer.from('{}'),
        }),
      ),
      undefined,
    );
  });

  it('refuses a version it does not know', () => {
    const bytes = encodeMember('orders', { ...member(), v: 2 as 1 });
    assert.throws(
      () => decodeMember(bytes),
      (error) => BusError.is(error, 'DUOBUS_DECODE') && error.message.includes('version 2'),
    );
  });

  it('shows the grace time of a reset in the client id', () => {
    assert.equal(resetterGrace(resetterClientId('duobus', 25_000)), 25_000);
    assert.equal(resetterGrace('duobus'), undefined);
  });
});
