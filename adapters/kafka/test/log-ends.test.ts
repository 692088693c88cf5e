import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError } from '@duobus/core/driver';
import type { Broker } from '../src/client.ts';
import { Leaders } from '../src/leaders.ts';
import { LogEnds } from '../src/log-ends.ts';
import type { ClusterMetadata } from '../src/metadata-protocol.ts';

const topic = 'orders';

/** A cluster of which one node after the other leads the only partition. */
function cluster() {
  const state = { leader: 1, down: new Set<number>(), asked: 0 };
  const refused = (): Error =>
    new BusError('DUOBUS_UNAVAILABLE', 'connect ECONNREFUSED', { retryable: true });
  const carrier = {
    async metadata(): Promise<ClusterMetadata> {
      state.asked += 1;
      const leaders = [state.leader];
      const about = { name: topic, id: 'id', errorCode: 0, leaders };
      return { brokers: [], controllerId: 1, topics: new Map([[topic, about]]) };
    },
    async broker(nodeId: number): Promise<Broker> {
      if (state.down.has(nodeId)) throw refused();
      return { nodeId } as unknown as Broker;
    },
    async call<T>(broker: Broker): Promise<T> {
      const { nodeId } = broker as unknown as { nodeId: number };
      if (state.down.has(nodeId)) throw refused();
      const partitions = [{ partition: 0, offset: '7', timestamp: '-1' }];
      return { responses: [{ topic, partitions }] } as T;
    },
  };
  return { state, ends: new LogEnds(carrier, new Leaders(carrier)) };
}

describe('ends of a log', () => {
  it('are asked for at the new leader when the old one is gone for good', async () => {
    const { state, ends } = cluster();
    await ends.bounds(topic, [0]);
    state.down.add(1);
    await assert.rejects(() => ends.bounds(topic, [0]), { code: 'DUOBUS_UNAVAILABLE' });
    state.leader = 2;
    const [bounds] = await ends.bounds(topic, [0]);
    assert.equal(bounds?.end.offset, 7);
  });

  it('are asked for without looking for the leader as long as it answers', async () => {
    const { state, ends } = cluster();
    for (let n = 0; n < 5; n += 1) await ends.bounds(topic, [0]);
    assert.equal(state.asked, 1);
  });
});
