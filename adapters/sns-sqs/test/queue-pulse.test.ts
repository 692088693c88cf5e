import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pulse } from '../src/queue-pulse.ts';

/** Does not return for so long. */
function stand(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe('the pulse of a process', () => {
  it('takes what arrives while it runs for taken just now, however long it was waited for', () => {
    const pulse = new Pulse();
    pulse.start();
    const longAgo = performance.now() - 15_000;
    assert.ok(performance.now() - pulse.takenAt(longAgo, 1_000) < 1_500);
    pulse.stop();
  });

  it('takes what arrives after a standstill for taken before it', async () => {
    const pulse = new Pulse();
    pulse.start();
    const sentAt = performance.now();
    stand(1_200);
    assert.ok(pulse.takenAt(sentAt, 0) <= sentAt + 10);
    // timers run first when a process goes on, and the reply is read afterwards
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(pulse.takenAt(sentAt, 0) <= sentAt + 10);
    stand(1_200);
    assert.ok(pulse.takenAt(sentAt, 0) <= sentAt + 10, 'the first standstill counts');
    assert.ok(
      pulse.takenAt(performance.now(), 0) >= sentAt + 2_400,
      'what was sent later is not old',
    );
    pulse.stop();
  });
});
