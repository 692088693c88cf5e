import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError } from '@duobus/core/driver';
import { binding } from '../src/record-codec.ts';

describe('record codec', () => {
  it('gives attributes and data back as they were', () => {
    const attributes = {
      specversion: '1.0',
      id: '1',
      source: '/s',
      type: 't',
      time: '2026-01-01T00:00:00Z',
      datacontenttype: 'application/json',
      traceparent: '00',
    } as const;
    const wire = binding.encode(attributes, new Uint8Array([0, 255]));
    assert.equal(wire.headers['ce_id'], '1');
    const decoded = binding.decode({ key: undefined, ...wire });
    assert.deepEqual({ ...decoded.attributes }, attributes);
    assert.deepEqual([...decoded.data], [0, 255]);
  });

  it('refuses what is not a CloudEvent', () => {
    assert.throws(
      () => binding.decode({ key: undefined, headers: {}, body: null }),
      (error) => BusError.is(error, 'DUOBUS_DECODE'),
    );
  });
});
