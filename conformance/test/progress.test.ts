import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Progress } from '../src/progress.ts';
import { result } from './support/reports.ts';

/** What would be seen in the end: a line that is cleared is gone. */
function visible(text: string): string {
  return text
    .split('\n')
    .map((line) => line.split('\r\u001B[2K').at(-1) ?? '')
    .join('\n');
}

function screen(terminal: { readonly isTTY: boolean; readonly columns?: number }): {
  readonly progress: Progress;
  readonly written: () => string;
} {
  let text = '';
  const progress = new Progress({ ...terminal, write: (more: string) => (text += more) }, 3);
  return { progress, written: () => text };
}

const failed = result('no-history', ['E3'], 'fail', { error: 'Promised: nothing old' });

describe('progress', () => {
  it('is one line on a terminal, above which failures stay', () => {
    const { progress, written } = screen({ isTTY: true });
    progress.begun('fan-out');
    progress.begun('no-history');
    assert.equal(visible(written()), '0 of 3: fan-out, no-history');
    progress.ended(result('fan-out', ['E1'], 'pass'));
    assert.equal(visible(written()), '1 of 3: no-history');
    progress.ended(failed);
    assert.equal(
      visible(written()),
      'FAIL no-history\nPromised: nothing old\n\n2 of 3, 1 failed: ',
    );
    progress.over();
    assert.equal(visible(written()), 'FAIL no-history\nPromised: nothing old\n\n');
  });

  it('is never wider than the terminal', () => {
    const { progress, written } = screen({ isTTY: true, columns: 20 });
    progress.begun('a-case-with-a-long-name');
    assert.equal(visible(written()), '0 of 3: a-case-with');
  });

  it('is a line for each case where lines stay', () => {
    const { progress, written } = screen({ isTTY: false });
    progress.begun('fan-out');
    assert.equal(written(), '');
    progress.ended(result('fan-out', ['E1'], 'pass'));
    progress.ended(failed);
    progress.over();
    assert.equal(
      written(),
      'pass fan-out (1250 ms, 1 of 3)\nFAIL no-history\nPromised: nothing old\n\n',
    );
  });
});
