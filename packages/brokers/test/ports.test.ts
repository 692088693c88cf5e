import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { isFree, pickPorts, portRange } from '../src/ports.ts';

const always = async (): Promise<boolean> => true;

describe('pickPorts', () => {
  it('leaves out ports that other instances hold, even while those are down', async () => {
    assert.deepEqual(await pickPorts(2, new Set([20_001]), 20_000, always), [20_000, 20_002]);
  });

  it('leaves out ports that are in use', async () => {
    const odd = async (port: number): Promise<boolean> => port % 2 === 1;
    assert.deepEqual(await pickPorts(2, new Set(), 20_000, odd), [20_001, 20_003]);
  });

  it('goes on at the beginning when it reaches the end', async () => {
    const picked = await pickPorts(2, new Set(), portRange.last, always);
    assert.deepEqual(picked, [portRange.last, portRange.first]);
  });

  it('fails when there are none', async () => {
    await assert.rejects(
      pickPorts(1, new Set(), 20_000, async () => false),
      /no 1 free ports/,
    );
  });
});

describe('isFree', () => {
  it('sees a listener come and go', async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    assert.equal(await isFree(address.port), false);
    await new Promise((done) => server.close(done));
    assert.equal(await isFree(address.port), true);
  });
});
