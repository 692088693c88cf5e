import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AmqpConnection } from '../src/client.ts';
import { anyOf, type Connect } from '../src/nodes.ts';

const refused = (port: number): Error =>
  Object.assign(new Error(`connect ECONNREFUSED 127.0.0.1:${port}`), { code: 'ECONNREFUSED' });
const untrusted = (): Error =>
  Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' });

/** Nodes that answer, or fail as they are told, and who was asked. */
function cluster(...failures: readonly (Error | undefined)[]) {
  const asked: number[] = [];
  const down = [...failures];
  const nodes = down.map(
    (_, index): Connect =>
      async () => {
        asked.push(index);
        const failure = down[index];
        if (failure !== undefined) throw failure;
        return { connection: index } as AmqpConnection;
      },
  );
  return { nodes, asked, down };
}

const waiting = new AbortController().signal;

describe('anyOf', () => {
  it('begins where it is told and goes on to the node after the one that was lost', async () => {
    const { nodes, asked, down } = cluster(undefined, undefined, undefined);
    const connect = anyOf(nodes, 2);
    assert.equal((await connect('publish', waiting)).connection, 2);
    assert.equal((await connect('consume', waiting)).connection, 2);
    assert.equal((await connect('publish', waiting)).connection, 0);
    down[1] = refused(1);
    assert.equal((await connect('publish', waiting)).connection, 2);
    assert.deepEqual(asked, [2, 2, 0, 1, 2]);
  });

  it('asks every node once before it gives up', async () => {
    const { nodes, asked } = cluster(refused(1), refused(2), refused(3));
    await assert.rejects(() => anyOf(nodes, 1)('consume', waiting), /127.0.0.1:2/);
    assert.deepEqual(asked, [1, 2, 0]);
  });

  it('tells of what may mend, if anything may', async () => {
    const { nodes } = cluster(untrusted(), refused(2));
    await assert.rejects(() => anyOf(nodes, 0)('consume', waiting), /ECONNREFUSED/);
    const { nodes: hopeless } = cluster(untrusted(), untrusted());
    await assert.rejects(() => anyOf(hopeless, 0)('consume', waiting), /expired/);
  });

  it('asks nobody else when nobody waits any more', async () => {
    const { nodes, asked } = cluster(refused(1), undefined);
    const stop = new AbortController();
    const [first, second] = nodes as [Connect, Connect];
    const leaving: Connect = (purpose, signal) => {
      stop.abort(new Error('closed'));
      return first(purpose, signal);
    };
    await assert.rejects(() => anyOf([leaving, second], 0)('publish', stop.signal), /closed/);
    assert.deepEqual(asked, [0]);
  });
});
