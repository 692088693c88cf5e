import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CloudEvent, Kafka as KafkaBinding } from 'cloudevents';
import type { Binding, InboundRecord } from '@duobus/core/driver';
import { kafka } from '../src/index.ts';
import { decompress } from '../src/compression.ts';
import { decodeBatches } from '../src/record-batch.ts';
import { encodeBatch } from '../src/record-codec.ts';

const binding = kafka({ brokers: ['127.0.0.1:9092'] }).log?.binding as Binding;
const identity = { producerId: 1n, producerEpoch: 0, firstSequence: 0 };

const attributes = {
  specversion: '1.0',
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  source: '/shop/orders',
  type: 'order.placed',
  time: '2026-11-01T00:00:00.000Z',
  subject: 'Grüße 🎉',
  datacontenttype: 'application/json',
  partitionkey: 'kéy',
  correlationid: 'c-1',
} as const;

async function overTheWire(
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): Promise<InboundRecord> {
  const { records } = await decodeBatches(
    encodeBatch([{ key: 'kéy', headers, body }], identity, 1),
    0,
    [],
    decompress,
  );
  return records[0] as InboundRecord;
}

describe('CloudEvents on Kafka', () => {
  it('are read by the CloudEvents SDK as they were written', async () => {
    const data = { orderId: '42', total: 9.5 };
    const wire = binding.encode(attributes, Buffer.from(JSON.stringify(data)));
    const { headers, body, key } = await overTheWire(wire.headers, wire.body);
    const texts = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, String(value)]),
    );
    const message = {
      headers: texts,
      key,
      value: JSON.parse(String(body)),
      body: undefined,
      timestamp: undefined,
    };
    const event = KafkaBinding.toEvent(message) as CloudEvent<unknown>;
    const { id, source, type, subject, time, datacontenttype } = event;
    assert.deepEqual(
      {
        id,
        source,
        type,
        subject,
        time,
        datacontenttype,
        partitionkey: event['partitionkey'],
        correlationid: event['correlationid'],
      },
      {
        id: attributes.id,
        source: attributes.source,
        type: attributes.type,
        subject: attributes.subject,
        time: attributes.time,
        datacontenttype: attributes.datacontenttype,
        partitionkey: attributes.partitionkey,
        correlationid: attributes.correlationid,
      },
    );
    assert.deepEqual(event.data, data);
  });

  for (const mode of ['binary', 'structured'] as const) {
    it(`written by the CloudEvents SDK in ${mode} mode are read`, async () => {
      const data = { orderId: '43', text: 'Grüße' };
      const event = new CloudEvent({ ...attributes, data });
      const { headers, value } = KafkaBinding[mode](event) as unknown as {
        headers: Record<string, string>;
        value: unknown;
      };
      const body = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
      const decoded = binding.decode(await overTheWire(headers, body));
      for (const [name, text] of Object.entries(attributes))
        if (name !== 'datacontenttype') assert.equal(decoded.attributes[name as 'id'], text, name);
      assert.match(String(decoded.attributes['datacontenttype']), /^application\/json/);
      assert.deepEqual(JSON.parse(Buffer.from(decoded.data).toString()), data);
    });
  }
});
