import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { judge } from '../src/judge.ts';
import { Story } from './support/histories.ts';

interface Plan {
  readonly key: string;
  readonly failures: number;
}

const plans = fc.array(
  fc.record({ key: fc.constantFrom('a', 'b', 'c'), failures: fc.integer({ min: 0, max: 2 }) }),
  { minLength: 2, maxLength: 12 },
);

/** What a healthy broker would show: every document once, failed runs retried before the next of its key. */
function healthy(documents: readonly Plan[], skip?: number): Story {
  const story = new Story('data').mark('subscribe');
  documents.forEach(({ key }, n) => story.published(n, { key, offset: n }));
  documents.forEach((plan, n) => {
    if (n !== skip) handle(story, plan, n);
  });
  return story.mark('drained');
}

function handle(story: Story, { key, failures }: Plan, n: number): void {
  for (let attempt = 1; attempt <= failures + 1; attempt += 1) {
    const cause = attempt === 1 ? 'first' : 'retry';
    const type = attempt <= failures ? 'fail' : 'ok';
    story.delivered(n, { key, offset: n, attempt, cause, type });
  }
}

const verdict = (story: Story): string[] => judge(story.history, ['data:t']).map(String);

describe('judge', () => {
  it('has nothing against a healthy history', () => {
    fc.assert(fc.property(plans, (documents) => assert.deepEqual(verdict(healthy(documents)), [])));
  });

  it('finds any document that comes again for no reason', () => {
    fc.assert(
      fc.property(plans, fc.nat(), (documents, pick) => {
        const n = pick % documents.length;
        const story = healthy(documents);
        story.delivered(n, { key: documents[n]?.key as string, offset: n, cause: 'takeover' });
        assert.match(
          verdict(story).join('\n'),
          new RegExp(`document ${n} .*(nothing that explains it|came back)`),
        );
      }),
    );
  });

  it('finds any document that is skipped between others', () => {
    fc.assert(
      fc.property(
        plans.filter(({ length }) => length > 2),
        fc.nat(),
        (documents, pick) => {
          const skipped = 1 + (pick % (documents.length - 2));
          assert.match(
            verdict(healthy(documents, skipped)).join('\n'),
            new RegExp(`v1\\.i\\.0\\.${skipped} was skipped`),
          );
        },
      ),
    );
  });

  it('finds any two documents of a key that are swapped', () => {
    fc.assert(
      fc.property(plans, (documents) => {
        const second = documents.findIndex(({ key }, at) =>
          documents.slice(0, at).some((earlier) => earlier.key === key),
        );
        fc.pre(second > 0);
        const first = documents.findIndex(({ key }) => key === documents[second]?.key);
        const story = new Story('data');
        documents.forEach(({ key }, n) => story.published(n, { key, offset: n }));
        for (const n of [second, first]) handle(story, documents[n] as Plan, n);
        assert.match(
          verdict(story).join('\n'),
          new RegExp(`document ${second} of key . was handled before document ${first}`),
        );
      }),
    );
  });
});
