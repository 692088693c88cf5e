import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { noSkips, onePlaceEach, resetExact, sameSequence } from '../src/log-predicates.ts';
import { Story } from './support/histories.ts';

const log = (...offsets: readonly number[]): Story => {
  const story = new Story('data');
  for (const offset of offsets) story.published(offset, { offset });
  return story;
};

const read = (story: Story, offsets: readonly number[], epoch = 0): Story => {
  for (const offset of offsets)
    story.delivered(offset, { offset, epoch, cause: epoch === 0 ? 'first' : 'reset' });
  return story;
};

describe('log predicates', () => {
  it('onePlaceEach finds a place with two documents and a document with two places', () => {
    assert.deepEqual(onePlaceEach(read(log(0, 1, 2), [0, 1, 2]).history), []);
    assert.deepEqual(onePlaceEach(log(0).published(0, { offset: 5 }).history), []);
    assert.match(
      onePlaceEach(log(0).published(1, { offset: 0 }).history).join(),
      /is document id-0 and document id-1/,
    );
    assert.match(
      onePlaceEach(log(0).delivered(0, { offset: 0 }).delivered(0, { offset: 3 }).history).join(),
      /stored 2 times/,
    );
  });

  it('resetExact finds a wrong first document and a late delivery of the old epoch', () => {
    assert.deepEqual(
      resetExact(read(read(log(0, 1, 2), [0, 1, 2]).reset(1), [1, 2], 1).history),
      [],
    );
    // The target may be a place between records, or beyond the last.
    assert.deepEqual(resetExact(read(read(log(0, 4), [0, 4]).reset(2), [4], 1).history), []);
    assert.match(
      resetExact(read(read(log(0, 1, 2), [0, 1, 2]).reset(1), [2], 1).history).join(),
      /first delivery is v1\.i\.0\.2, not v1\.i\.0\.1/,
    );
    assert.match(
      resetExact(read(read(log(0, 1, 2), [0, 1, 2]).reset(1), [0, 1], 1).history).join(),
      /first delivery is v1\.i\.0\.0/,
    );
    const late = read(log(0, 1, 2), [0])
      .reset(0)
      .delivered(1, { offset: 1 });
    assert.match(
      resetExact(read(late, [0], 1).history).join(),
      /handed out in epoch 0 after the reset/,
    );
  });

  it('resetExact does not know which of two resets at a time comes last', () => {
    const story = read(log(0, 1), [0, 1]);
    const [topic, targets] = ['data:t', ['v1.i.0.1']];
    const slow = story.history.begin({ f: 'reset', process: 'm', topic, name: 's', targets });
    read(story.reset(0), [0, 1], 1);
    read(story, [1], 2);
    story.history.end(slow, 'ok');
    assert.deepEqual(resetExact(story.history), []);
  });

  it('resetExact lets another reset end an epoch in which documents waited for a handler of their key', () => {
    const keyOf = (offset: number): string => (offset === 1 ? 'other' : 'k');
    const handedOut = (handed: readonly number[], to = 0): Story => {
      const story = new Story('data');
      for (const offset of [0, 1, 2, 3]) story.published(offset, { offset, key: keyOf(offset) });
      story.reset(to);
      for (const offset of handed)
        story.delivered(offset, { offset, key: keyOf(offset), epoch: 1 });
      return story;
    };
    const cut = (handed: readonly number[], to?: number): string =>
      resetExact(handedOut(handed, to).reset(4).history).join();
    assert.equal(cut([1]), '');
    assert.match(resetExact(handedOut([1]).history).join(), /\.0\.1, not v1\.i\.0\.0/);
    assert.equal(cut([1, 0]), '');
    assert.match(cut([1, 2]), /first delivery is v1\.i\.0\.2, not v1\.i\.0\.0/);
    // What comes before the target is nothing that it leads to, whatever the key.
    assert.match(cut([1, 2], 2), /first delivery is v1\.i\.0\.1, not v1\.i\.0\.2/);
  });

  it('noSkips finds a hole between the first and the last document of an epoch', () => {
    assert.deepEqual(noSkips(read(log(0, 1, 2, 3), [1, 2, 3]).history), []);
    assert.deepEqual(noSkips(read(log(0, 5, 9), [0, 5, 9]).history), []);
    assert.match(noSkips(read(log(0, 1, 2), [0, 2]).history).join(), /v1\.i\.0\.1 was skipped/);
    assert.deepEqual(noSkips(read(log(0, 1, 2).mark('trimmed'), [0, 2]).history), []);
  });

  it('noSkips lets a reset end an epoch in which documents waited for others of their key', () => {
    const cut = (...handed: readonly number[]): string => {
      const story = new Story('data');
      for (const offset of [0, 1, 2, 3])
        story.published(offset, { offset, key: offset === 1 ? 'other' : 'k' });
      for (const offset of handed)
        story.delivered(offset, { offset, key: offset === 1 ? 'other' : 'k' });
      return noSkips(story.reset(4).history).join();
    };
    assert.equal(cut(0, 2), '');
    assert.match(cut(0, 3), /v1\.i\.0\.2 was skipped between v1\.i\.0\.0 and v1\.i\.0\.3/);
  });

  it('sameSequence finds a difference in place, order, bytes or length', () => {
    const ops = (offsets: readonly number[], digest?: string): ReturnType<Story['history']['of']> =>
      offsets.map((offset) =>
        new Story('data').begun(offset, { offset, ...(digest === undefined ? {} : { digest }) }),
      );
    const same = (a: readonly number[], b: readonly number[], digest?: string): string =>
      sameSequence(ops(a) as never, ops(b, digest) as never).join();
    assert.equal(same([0, 1], [0, 1]), '');
    assert.match(same([0, 1], [1, 0]), /1\. document/);
    assert.match(same([0], [0], 'other'), /other in the other/);
    assert.match(same([0, 1], [0]), /2 documents in one reading, 1 in the other/);
  });
});
