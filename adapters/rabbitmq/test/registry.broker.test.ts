import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testUrl } from '@duobus/brokers';
import { BusError } from '@duobus/core/driver';
import { BrokerLinks } from '../src/links.ts';
import { readOptions } from '../src/options.ts';
import type { Publisher } from '../src/publisher.ts';
import { RegistryStream } from '../src/registry-stream.ts';
import { soon } from './support/driver.ts';

describe('the registry', () => {
  it('tells the caller alone when the connection ends while a line is being written', async (test) => {
    const links = new BrokerLinks(readOptions({ url: await testUrl('rabbitmq') }));
    await links.open(soon());
    test.after(() => links.close());
    let began = (): void => undefined;
    const sending = new Promise<void>((resolve) => (began = resolve));
    let answer: (error: Error) => void = () => undefined;
    const send: Publisher['send'] = () => {
      began();
      return new Promise((_, reject) => (answer = reject));
    };
    let slow = false;
    const registry = new RegistryStream({
      consume: () => links.consume(),
      members: (signal) => links.members(signal),
      copies: () => (slow ? ({ send } as Publisher) : links.copies()),
    });
    await registry.known('create', soon());
    slow = true;
    const line = { v: 1, op: 'name', kind: 'event', topic: 'nobody', name: 'never' } as const;
    const written = registry.append(line, () => undefined, soon());
    await sending;
    const { consumeConnection } = links.native;
    assert.ok(consumeConnection !== undefined);
    const closed = new Promise((resolve) => consumeConnection.on('close', resolve));
    await consumeConnection.close();
    await closed;
    // A rejection that nobody has taken would be told, and fail this test, before this turn is over.
    await new Promise((resolve) => setImmediate(resolve));
    answer(new BusError('DUOBUS_UNAVAILABLE', 'the connection is gone', { retryable: true }));
    await assert.rejects(written, { code: 'DUOBUS_UNAVAILABLE' });
  });
});
