import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatAddress, parseAddress } from '../src/internal/address.ts';

describe('parseAddress', () => {
  it('reads names and both kinds of numbers', () => {
    assert.deepEqual(parseAddress('b-1.example.org:9092'), { host: 'b-1.example.org', port: 9092 });
    assert.deepEqual(parseAddress('10.0.0.1:1'), { host: '10.0.0.1', port: 1 });
    assert.deepEqual(parseAddress('[::1]:65535'), { host: '::1', port: 65_535 });
  });

  it('adds the port that is usual, if there is one', () => {
    assert.deepEqual(parseAddress('h', 5672), { host: 'h', port: 5672 });
    assert.deepEqual(parseAddress('[fe80::1]', 5672), { host: 'fe80::1', port: 5672 });
    assert.deepEqual(parseAddress('h:7', 5672), { host: 'h', port: 7 });
    assert.equal(parseAddress('h'), undefined);
  });

  it('knows nothing else', () => {
    const others = [
      '',
      ':1',
      'h:',
      'h:0',
      'h:65536',
      'h:x',
      'u:p@h:1',
      'h:1/v',
      '::1:5',
      'a b:1',
      5,
    ];
    for (const other of others) assert.equal(parseAddress(other, 1), undefined, String(other));
  });

  it('is what formatAddress writes, read', () => {
    for (const text of ['h:1', '[::1]:2']) {
      const address = parseAddress(text);
      assert.ok(address !== undefined);
      assert.equal(formatAddress(address), text);
    }
  });
});
