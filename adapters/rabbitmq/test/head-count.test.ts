import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { surplus } from '../src/fair-share.ts';
import { HeadCount } from '../src/head-count.ts';

/** Members that are handed what the others refuse, and whom they are said to share with. */
class Sharing {
  readonly members: readonly { readonly heads: HeadCount; readonly owned: number[] }[];
  now = 0;
  readonly #partitions: number;

  constructor(members: number, partitions: number) {
    this.members = Array.from({ length: members }, () => ({ heads: new HeadCount(), owned: [] }));
    this.#partitions = partitions;
  }

  /** Hands out what nobody owns, to one member after the other. @returns how often something was handed over */
  settle(counted: number, everyMs = 300): number {
    let handed = 0;
    for (; handed < 1_000; handed += 1) {
      const owned = this.members.flatMap((member) => member.owned);
      const free = Array.from({ length: this.#partitions }, (_, index) => index).find(
        (partition) => !owned.includes(partition),
      );
      if (free === undefined) return handed;
      this.now += everyMs;
      this.#hand(handed % this.members.length, free, counted);
    }
    return handed;
  }

  get sizes(): readonly number[] {
    return this.members.map(({ owned }) => owned.length).toSorted((a, b) => a - b);
  }

  #hand(index: number, partition: number, counted: number): void {
    const { heads, owned } = this.members[index] as Sharing['members'][number];
    const present = heads.present(counted, [partition], this.now);
    const tooMany = surplus([...owned, partition], this.#partitions, present);
    if (tooMany.includes(partition)) heads.refused(partition, this.now);
    else owned.push(partition);
    for (const each of tooMany.filter((one) => one !== partition))
      owned.splice(owned.indexOf(each), 1);
  }
}

describe('who shares the partitions', () => {
  it('is not who was lost with a node and is counted still', () => {
    for (const [members, counted] of [
      [2, 3],
      [1, 2],
      [2, 5],
      [3, 4],
    ] as const) {
      const sharing = new Sharing(members, 6);
      assert.ok(sharing.settle(counted) < 200, `${members} of ${counted}`);
    }
    const sharing = new Sharing(2, 6);
    sharing.settle(3);
    assert.deepEqual(sharing.sizes, [3, 3]);
  });

  it('is everyone who is counted, while all are there', () => {
    const heads = new HeadCount();
    assert.equal(heads.present(3, [0], 0), 3);
    heads.refused(0, 0);
    assert.equal(heads.present(3, [0], 300), 3, 'it may come back once');
    heads.refused(0, 300);
    assert.equal(heads.present(3, [1], 600), 3, 'another has come');
    assert.equal(heads.present(3, [0], 60_000), 3, 'somebody had it meanwhile');
  });

  it('is counted anew when somebody comes or goes', () => {
    const heads = new HeadCount();
    for (let n = 0; n < 3; n += 1) {
      heads.present(3, [0], n * 300);
      heads.refused(0, n * 300);
    }
    assert.equal(heads.present(3, [], 1_000), 2);
    assert.equal(heads.present(4, [], 1_300), 4);
    assert.equal(heads.present(3, [0], 1_600), 3);
  });
});
