// The suite as the test of somebody else's adapter: the four cases of the mission.
import { it } from 'node:test';
import { inProcess, suite } from '@duobus/conformance';
import { MemoryBroker, memory } from '@duobus/memory';

const broker = new MemoryBroker('installed');
suite({
  test: it,
  adapter: { name: 'memory', ...inProcess(() => memory(broker)) },
  only: ['fan-out', 'deletion-on-read', 'offset-reset', 'replay-idempotence'],
});
