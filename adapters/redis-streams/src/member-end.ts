import { lostConsumer, type QueueEvent } from '@duobus/core/driver';
import { subscriptionGone } from './queue-scope.ts';

/** What to tell the runtime when a consumer cannot go on. */
export const lost = (what: string, error: unknown): QueueEvent =>
  lostConsumer('Redis', what, error);

export const gone = (topic: string, name: string): QueueEvent => ({
  type: 'gone',
  error: subscriptionGone(topic, name),
});
