// The suite as the test of somebody else's adapter, in any runner: the four cases of the mission.
import { inProcess, suite } from '@duobus/conformance';
import { MemoryBroker, memory } from '@duobus/memory';

// What a broker would say that keeps what is settled; the case waits longer than a test of vitest or mocha may take.
const broken = { slow: 0.2, brokerDepth: async () => 1 };

export function judge(test) {
  const broker = new MemoryBroker('installed');
  suite({
    test,
    adapter: {
      name: 'memory',
      ...inProcess(() => memory(broker)),
      ...(process.env.ADAPTER === 'broken' ? broken : {}),
    },
    only: ['fan-out', 'deletion-on-read', 'offset-reset', 'replay-idempotence'],
  });
}
