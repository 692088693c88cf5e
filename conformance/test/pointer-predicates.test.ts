import { describe, it } from 'node:test';
import {
  inPlaceOrder,
  ownPointer,
  pointerTellsTheTruth,
  readingKeepsAll,
  refusedMovesNothing,
  replaysAlike,
} from '../src/pointer-predicates.ts';
import { Story } from './support/histories.ts';
import { tells } from './support/tells.ts';

const log = (...offsets: readonly number[]): Story => {
  const story = new Story('data').mark('subscribe');
  for (const offset of offsets) story.published(offset, { offset, key: 'k' });
  return story;
};

type How = Parameters<Story['delivered']>[1];

const read = (story: Story, offsets: readonly number[], how: How = {}): Story => {
  for (const offset of offsets) story.delivered(offset, { offset, key: 'k', ...how });
  return story;
};

const again = { cause: 'reset', epoch: 1 } as const;

describe('inPlaceOrder (D1)', () => {
  it('has nothing against going on, repeating after a death, or going back by a reset', () => {
    tells(
      inPlaceOrder,
      [
        read(log(0, 1, 2), [0, 1, 2]),
        read(read(log(0, 1), [0, 1]).mark('crash'), [0, 1], { cause: 'takeover' }),
        read(read(log(0, 1), [0, 1]).reset(0), [0, 1], again),
        read(read(log(0, 1), [0, 1], { name: 'a' }), [0, 1], { name: 'b' }),
        // Another key goes its own way.
        read(log(0, 1).delivered(1, { offset: 1, key: 'l' }), [0]),
      ],
      [],
    );
  });

  it('finds a first delivery behind a later one', () => {
    tells(
      inPlaceOrder,
      [],
      [[read(log(0, 1, 2), [0, 2, 1]), /document 1 at v1\.i\.0\.1 came after document 2/]],
    );
  });
});

describe('replaysAlike (D3)', () => {
  it('has nothing against the same bytes at every reading', () => {
    tells(
      replaysAlike,
      [
        read(read(log(0, 1), [0, 1]).reset(0), [0, 1], again).read([0, 1]),
        new Story().published(1).delivered(1).delivered(1, { name: 'other', whole: 'else' }),
      ],
      [],
    );
  });

  it('finds other bytes, attributes or documents at a place', () => {
    tells(
      replaysAlike,
      [],
      [
        [
          read(read(log(0), [0]).reset(0), [0], { ...again, whole: 'else' }),
          /v1\.i\.0\.0 is document id-0 \(w-0\) once and document id-0 \(else\)/,
        ],
        [read(log(0), [0]).read([0], () => 'else'), /\(else\) another time/],
        [
          log(0).delivered(0, { offset: 0 }).delivered(1, { offset: 0, name: 'b' }),
          /document id-0 .* document id-1/,
        ],
      ],
    );
  });
});

describe('ownPointer (D4)', () => {
  it('has nothing against a pointer that goes on, or back by its own reset', () => {
    tells(
      ownPointer,
      [
        read(read(log(0, 1), [0, 1]).reset(0), [0], again),
        log(0, 1).looked(0).looked(1).looked(1),
        log(0, 1).looked(1).reset(0).looked(0),
        log(0, 1).looked(1).looked(0, 'other'),
      ],
      [],
    );
  });

  it('finds an epoch or a step back that another reset must have made', () => {
    tells(
      ownPointer,
      [],
      [
        [
          read(read(log(0), [0]).reset(0, 'other'), [0], again),
          /s: document 0 came in epoch 1 after 0 resets of this group/,
        ],
        [
          log(0, 1).looked(1).reset(0, 'other').looked(0),
          /s: the pointer of partition 0 was at v1\.i\.0\.1 and is at v1\.i\.0\.0, without a reset/,
        ],
      ],
    );
  });
});

describe('readingKeepsAll (D5)', () => {
  it('has nothing against a log that only grows, or that retention has trimmed', () => {
    tells(
      readingKeepsAll,
      [
        read(log(0, 1), [0, 1]).reset(0).read([0, 1]).published(2).read([0, 1, 2]),
        log(0).published(1, { type: 'info' }).read([0]),
        log(0).mark('trimmed').read([]),
      ],
      [],
    );
  });

  it('finds what is gone, or elsewhere, after it was confirmed, delivered or read', () => {
    tells(
      readingKeepsAll,
      [],
      [
        [read(log(0, 1), [0, 1]).read([1]), /document id-0 of .* is read at no place/],
        [log().published(7).read([]), /document id-7 of this topic is read at no place/],
        [log().read([3]).read([]), /document id-3 .* no place/],
        [
          log(0).read([0], undefined, () => 5),
          /document id-0 of v1\.i\.0\.0 is read at v1\.i\.0\.5/,
        ],
      ],
    );
  });
});

describe('pointerTellsTheTruth (D6)', () => {
  it('has nothing against a repetition from the pointer on, or after a reset', () => {
    const handled = (): Story => read(log(0, 1, 2), [0, 1]);
    tells(
      pointerTellsTheTruth,
      [
        read(handled().looked(1).mark('crash'), [1, 2], { cause: 'takeover' }),
        read(handled().looked(2).reset(0), [0], again),
        // A dead letter is finished with, too.
        read(log(0, 1), [0], { type: 'fail' }).looked(1),
        handled().reset(3).looked(3),
      ],
      [],
    );
  });

  it('finds a pointer beyond what was handled, and what comes again below one', () => {
    tells(
      pointerTellsTheTruth,
      [],
      [
        [
          read(read(log(0, 1), [0, 1]).looked(2).mark('crash'), [1], { cause: 'takeover' }),
          /document 1 came again, below the stored pointer v1\.i\.0\.2/,
        ],
        [
          read(log(0, 1), [0]).looked(2),
          /stored at v1\.i\.0\.2, and v1\.i\.0\.1 has not been handled/,
        ],
        [read(log(0, 1), [0, 1], { type: 'info' }).looked(2), /v1\.i\.0\.0 has not been handled/],
      ],
    );
  });
});

describe('refusedMovesNothing (D7)', () => {
  const invalid = 'DUOBUS_INVALID';

  it('has nothing against a group that goes on where it was', () => {
    tells(
      refusedMovesNothing,
      [
        read(read(log(0, 1), [0]).looked(1).refused(invalid).looked(1), [1]).looked(2),
        read(read(log(0), [0]).refused(invalid).reset(0), [0], again),
        read(read(log(0), [0]).reset(0).refused(invalid), [0], again),
      ],
      [],
    );
  });

  it('finds a refusal without a code, a moved pointer and a begun epoch', () => {
    tells(
      refusedMovesNothing,
      [],
      [
        [log().refused(), /refused without a code/],
        [read(log(0), [0]).looked(1).refused(invalid).looked(0), /partition 0 was at v1\.i\.0\.1/],
        [
          read(read(log(0), [0]).refused(invalid), [0], again),
          /epoch 1 began with a refused reset/,
        ],
      ],
    );
  });
});
