import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  closeRepeatsNothing,
  failuresAreKept,
  independent,
  reachesAll,
} from '../src/completeness.ts';
import { Story } from './support/histories.ts';
import { tells } from './support/tells.ts';

describe('reachesAll (E1)', () => {
  const begun = (kind: 'event' | 'data' = 'event'): Story => new Story(kind).mark('subscribe');

  it('has nothing against what came, cannot be known, or was not there for it', () => {
    tells(
      reachesAll,
      [
        begun().published(1).delivered(1).mark('drained'),
        // What has failed for good is a dead letter.
        begun().published(1).delivered(1, { type: 'fail' }).mark('drained'),
        begun().published(1, { type: 'info' }).published(2, { type: 'fail' }).mark('drained'),
        new Story().published(1).mark('subscribe').mark('drained'),
        new Story('data').published(1).mark('subscribe', { from: 'latest' }).mark('drained'),
        begun('data').published(1).reset(1).published(2).delivered(2).mark('drained'),
        begun().published(1).delivered(1).mark('drained').published(2),
      ],
      [],
    );
  });

  it('finds what never came and what was never finished', () => {
    tells(
      reachesAll,
      [],
      [
        [begun().published(1).mark('drained'), /s: document 1 was published and never came/],
        [
          begun().published(1).delivered(1, { name: 'other' }).mark('drained'),
          /s: document 1 was published and never came/,
        ],
        [begun().published(1).delivered(1, { type: 'info' }).mark('drained'), /never finished/],
        [new Story('data').published(1).mark('subscribe').mark('drained'), /never came/],
        [begun('data').reset(0).published(1).mark('drained'), /never came/],
      ],
    );
  });
});

describe('closeRepeatsNothing (E3, D6)', () => {
  const during = (type: 'ok' | 'info' | 'fail', name = 's'): Story => {
    const story = new Story('data').published(1);
    const on = { process: 'm', topic: story.topic, name, targets: [] };
    const reset = story.history.begin({ f: 'reset', ...on });
    if (type === 'info') story.history.end(reset, type);
    story.delivered(1);
    if (type !== 'info') story.history.end(reset, type);
    return story;
  };

  it('has nothing against what a death, a reset or a fault repeats', () => {
    const handled = (): Story => new Story('data').published(1).delivered(1);
    tells(
      closeRepeatsNothing,
      [
        handled().mark('close', { consumer: 'c' }),
        handled().mark('crash').delivered(1, { cause: 'takeover' }),
        handled()
          .mark('close', { consumer: 'c' })
          .reset(0)
          .delivered(1, { cause: 'reset', epoch: 1 }),
        handled().mark('close', { consumer: 'other' }).delivered(1, { cause: 'takeover' }),
        during('ok').mark('close', { consumer: 'c' }).delivered(1, { cause: 'returned' }),
        // It may be on its way still.
        during('info').mark('close', { consumer: 'c' }).delivered(1, { cause: 'returned' }),
        handled()
          .mark('crash')
          .mark('close', { consumer: 'c' })
          .delivered(1, { cause: 'takeover' }),
        handled()
          .mark('fault')
          .mark('close', { consumer: 'c' })
          .delivered(1, { cause: 'takeover' }),
      ],
      [],
    );
  });

  it('finds what comes again though its consumer was closed in peace', () => {
    tells(
      closeRepeatsNothing,
      [],
      [
        [
          new Story()
            .published(1)
            .delivered(1)
            .mark('close', { consumer: 'c' })
            .delivered(1, { cause: 'returned', consumer: 'd' }),
          /document 1 came again \(returned\) though c had handled it/,
        ],
        ...[
          new Story('data').reset(0).published(1).delivered(1),
          new Story('data').published(1).delivered(1).reset(0),
          during('ok', 'other'),
          during('fail'),
        ].map((story): [Story, RegExp] => [
          story.mark('close', { consumer: 'c' }).delivered(1, { cause: 'returned' }),
          /document 1 came again \(returned\) though c had handled it/,
        ]),
      ],
    );
  });
});

describe('failuresAreKept (E6)', () => {
  const failed = (): Story => new Story('data').published(1).delivered(1, { type: 'fail' });

  it('has nothing against dead letters of what failed for good, or was passed by a reset', () => {
    tells(
      failuresAreKept,
      [
        failed().listed([1]),
        failed().delivered(1, { cause: 'retry', attempt: 2 }).listed([]),
        failed().reset(5).listed([]),
      ],
      [],
    );
  });

  it('finds failures that are forgotten, and dead letters that are none or are there twice', () => {
    tells(
      failuresAreKept,
      [],
      [
        [failed().listed([]), /document 1 failed in attempt 1, .* is no dead letter/],
        [
          new Story().published(1).delivered(1).listed([1]),
          /id-1 is a dead letter and never failed/,
        ],
        [failed().listed([1, 1]), /1 dead letters are listed twice/],
      ],
    );
  });
});

describe('independent (E4)', () => {
  const both = (): Story =>
    new Story().mark('subscribe').mark('subscribe', { name: 'other' }).published(1);
  const without = (): Story => new Story().mark('subscribe').published(1);
  const faults = (one: Story, two: Story): string[] =>
    independent(one.history, two.history, 'event:t/other');

  it('has nothing against two runs that a subscription shows alike', () => {
    const one = both().delivered(1, { name: 'other', type: 'fail' }).delivered(1).mark('drained');
    assert.deepEqual(faults(one, without().delivered(1).mark('drained')), []);
    // Elsewhere it may have another name, and not every publish is known to have been stored in both.
    const renamed = new Story().mark('subscribe').published(1, { type: 'info' }).mark('drained');
    assert.deepEqual(
      independent(one.history, renamed.history, 'event:other/s', () => 'event:t'),
      [],
    );
  });

  it('finds a document that only the run with another subscription has, or only the one without', () => {
    const one = both().delivered(1).mark('drained');
    assert.match(
      faults(one, without().mark('drained')).join(),
      /s: document 1 is not handled without event:t\/other and otherwise is/,
    );
    assert.match(
      faults(both().mark('drained'), without().delivered(1).mark('drained')).join(),
      /s: document 1 is not handled with event:t\/other/,
    );
  });
});
