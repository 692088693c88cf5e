import { memoryStore } from '@duobus/core';
import type { InboxHarness } from '../../src/inbox/index.ts';
import { memoryHarness } from './memory-harness.ts';

/** A store that other processes do not see. */
export function inboxHarness(): InboxHarness {
  return { ...memoryHarness(memoryStore), processes: { module: import.meta.url } };
}
