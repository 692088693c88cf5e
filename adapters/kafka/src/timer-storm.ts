import type { RequestQueue } from './client.ts';

const patched = new WeakSet<object>();

/**
 * Stops kafkajs from arming a timer of one millisecond for ever on every connection (tulios/kafkajs#1751): about 900
 * wake-ups per second each, and a TimeoutNegativeWarning on Node 24. The prototype is shared by all connections of the
 * process; what is left out has no effect but those timers.
 */
export function stopTimerStorm(queue: RequestQueue): void {
  const prototype = Object.getPrototypeOf(queue) as RequestQueue;
  if (patched.has(prototype)) return;
  patched.add(prototype);
  const original: (this: RequestQueue) => void = Reflect.get(
    prototype,
    'scheduleCheckPendingRequests',
  );
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length === 0 && this.throttledUntil <= Date.now()) return;
    original.call(this);
  };
}
