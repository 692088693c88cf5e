import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judge } from '../src/judge.ts';
import {
  attemptsCount,
  causedDuplicates,
  keyOrder,
  noHistory,
  noPhantoms,
  nothingAltered,
  oneConsumerAtATime,
  readOnce,
} from '../src/predicates.ts';
import { Story } from './support/histories.ts';
import { tells } from './support/tells.ts';

describe('predicates', () => {
  it('noPhantoms finds what nobody published and what was rejected', () => {
    tells(
      noPhantoms,
      [
        new Story().published(1).delivered(1),
        new Story().published(1, { type: 'info' }).delivered(1),
      ],
      [
        [new Story().delivered(1), /never published/],
        [new Story().published(1, { type: 'fail' }).delivered(1), /was rejected/],
      ],
    );
  });

  it('nothingAltered finds another body, attribute or key', () => {
    tells(
      nothingAltered,
      [new Story().published(1, { key: 'a' }).delivered(1, { key: 'a' })],
      [
        [new Story().published(1).delivered(1, { digest: 'other' }), /arrived altered/],
        [new Story().published(1, { key: 'a' }).delivered(1, { key: 'b' }), /arrived altered/],
      ],
    );
  });

  it('noHistory finds what was published before the subscription', () => {
    tells(
      noHistory,
      [
        new Story().published(1).mark('subscribe').published(2).delivered(2),
        new Story('data').published(1).mark('subscribe').delivered(1),
      ],
      [[new Story().published(1).mark('subscribe').delivered(1), /before the subscription/]],
    );
  });

  it('causedDuplicates wants a cause for every repetition, and that it has happened', () => {
    tells(
      causedDuplicates,
      [
        new Story()
          .published(1)
          .delivered(1, { type: 'fail' })
          .delivered(1, { cause: 'retry', attempt: 2 }),
        new Story()
          .published(1)
          .delivered(1, { type: 'info' })
          .mark('crash')
          .delivered(1, { cause: 'takeover' }),
        new Story('data')
          .published(1)
          .delivered(1)
          .reset(0)
          .delivered(1, { cause: 'reset', epoch: 1 }),
        new Story()
          .published(1)
          .delivered(1, { type: 'fail' })
          .mark('redrive')
          .delivered(1, { cause: 'redrive' }),
        new Story().published(1).published(1).delivered(1).delivered(1),
        new Story().published(1).delivered(1, { name: 'a' }).delivered(1, { name: 'b' }),
      ],
      [
        [new Story().published(1).delivered(1).delivered(1), /nothing that explains/],
        [
          new Story().published(1).delivered(1).delivered(1, { cause: 'retry' }),
          /'retry' and nothing/,
        ],
        [
          new Story().published(1).delivered(1).delivered(1, { cause: 'takeover' }),
          /'takeover' and nothing/,
        ],
        [
          new Story().published(1).delivered(1).delivered(1, { cause: 'reset' }),
          /'reset' and nothing/,
        ],
        [
          new Story().published(1).delivered(1).delivered(1, { cause: 'redrive' }),
          /'redrive' and nothing/,
        ],
        [
          new Story().published(1).delivered(1).delivered(1, { cause: 'broker' }),
          /'broker' and nothing/,
        ],
        [
          new Story()
            .published(1)
            .delivered(1, { type: 'fail' })
            .delivered(1, { cause: 'retry', attempt: 2, redelivered: false }),
          /redelivered: false/,
        ],
      ],
    );
  });

  it('readOnce finds what comes back after it was settled', () => {
    tells(
      readOnce,
      [
        new Story()
          .published(1)
          .delivered(1)
          .mark('drained')
          .mark('redrive')
          .delivered(1, { cause: 'redrive' }),
        new Story()
          .published(1)
          .delivered(1)
          .mark('crash')
          .delivered(1, { cause: 'takeover' })
          .mark('drained'),
      ],
      [
        [
          new Story()
            .published(1)
            .delivered(1)
            .mark('drained')
            .mark('crash')
            .delivered(1, { cause: 'takeover' }),
          /came back/,
        ],
      ],
    );
  });

  it('oneConsumerAtATime finds two that have the same document', () => {
    const two = new Story().published(1);
    const first = two.begun(1, { consumer: 'a' });
    two.delivered(1, { consumer: 'b', cause: 'takeover' });
    two.history.end(first, 'ok');
    const dead = new Story().published(1);
    dead.history.end(dead.begun(1), 'info');
    const cut = new Story().published(1);
    const lost = cut.begun(1, { consumer: 'a' });
    cut.mark('fault').delivered(1, { consumer: 'b', cause: 'takeover' });
    cut.history.end(lost, 'ok');
    tells(
      oneConsumerAtATime,
      [dead.delivered(1, { cause: 'takeover' }), cut],
      [[two, /while a had it/]],
    );
  });

  it('attemptsCount finds attempts that are not the failed runs plus one', () => {
    const failed = (): Story => new Story().published(1).delivered(1, { type: 'fail' });
    tells(
      attemptsCount,
      [
        failed().delivered(1, { cause: 'retry', attempt: 2 }),
        failed().mark('crash').delivered(1, { cause: 'takeover', attempt: 2 }),
        failed().mark('crash').delivered(1, { cause: 'takeover', attempt: 1 }),
        failed()
          .delivered(1, { type: 'fail', cause: 'retry', attempt: 2 })
          .mark('crash')
          .delivered(1, { cause: 'retry', attempt: 2 }),
        failed().delivered(1, { cause: 'redrive', attempt: 1 }),
        failed().reset(9).delivered(1, { cause: 'returned', attempt: 1 }),
      ],
      [
        [failed().delivered(1, { cause: 'retry', attempt: 1 }), /attempt 1 after 1 failed/],
        [failed().delivered(1, { cause: 'retry', attempt: 3 }), /attempt 3 after 1 failed/],
        [
          failed()
            .delivered(1, { type: 'fail', cause: 'retry', attempt: 2 })
            .mark('crash')
            .delivered(1, { cause: 'retry', attempt: 1 }),
          /attempt 1 after 2 failed/,
        ],
        [new Story().published(1).delivered(1, { attempt: 2 }), /attempt 2 after 0 failed/],
      ],
    );
  });

  it('keyOrder finds overtaking, overlapping, and passing by a document in retry', () => {
    const pair = (): Story => new Story().published(1, { key: 'a' }).published(2, { key: 'a' });
    const overlap = pair();
    const running = overlap.begun(1, { key: 'a' });
    overlap.delivered(2, { key: 'a' });
    overlap.history.end(running, 'ok');
    const apart = new Story().published(1, { key: 'a' }).published(2, { key: 'b' });
    const other = apart.begun(1, { key: 'a' });
    apart.delivered(2, { key: 'b' });
    apart.history.end(other, 'ok');
    tells(
      keyOrder('event:t'),
      [
        pair().delivered(1, { key: 'a' }).delivered(2, { key: 'a' }),
        pair()
          .delivered(1, { key: 'a', type: 'fail' })
          .delivered(1, { key: 'a', cause: 'retry', attempt: 2 })
          .delivered(2, { key: 'a' }),
        pair()
          .delivered(1, { key: 'a' })
          .delivered(2, { key: 'a' })
          .delivered(1, { key: 'a', cause: 'takeover' })
          .delivered(2, { key: 'a', cause: 'takeover' }),
        pair()
          .delivered(1, { key: 'a', type: 'fail' })
          .delivered(2, { key: 'a' })
          .mark('crash')
          .delivered(1, { key: 'a', type: 'fail', cause: 'retry' })
          .delivered(2, { key: 'a', cause: 'takeover' }),
        apart,
      ],
      [
        [
          pair().delivered(2, { key: 'a' }).delivered(1, { key: 'a' }),
          /was handled before document 1/,
        ],
        [overlap, /while document 1 of the same key/],
        [
          pair()
            .delivered(1, { key: 'a', type: 'fail' })
            .delivered(2, { key: 'a' })
            .delivered(1, { key: 'a', cause: 'retry', attempt: 2 }),
          /passed document 1/,
        ],
      ],
    );
  });

  it('are all asked, and order only where it is promised', () => {
    const story = new Story()
      .published(1, { key: 'a' })
      .published(2, { key: 'a' })
      .delivered(2, { key: 'a' })
      .delivered(1, { key: 'a' });
    assert.deepEqual(judge(story.history, []), []);
    assert.match(judge(story.history, ['event:t']).join(), /^keyOrder/);
    assert.match(judge(new Story().delivered(1).history, []).join(), /^noPhantoms/);
  });
});
