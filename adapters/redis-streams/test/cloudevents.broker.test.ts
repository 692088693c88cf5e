import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CloudEvent, HTTP } from 'cloudevents';
import { partitionKeys } from '../src/keys.ts';
import { soon } from './support/connection.ts';
import { eventually, type Log, makeTopic, openLog, readAll } from './support/log.ts';

const attributes = {
  specversion: '1.0',
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  source: '/shop/orders',
  type: 'order.placed',
  time: '2026-11-01T00:00:00.000Z',
  subject: 'Gr\u00fc\u00dfe',
  datacontenttype: 'application/json',
  partitionkey: 'k\u00e9y',
} as const;
const data = { orderId: '42', total: 9.5 };

describe('CloudEvents on Redis', () => {
  let log: Log;

  before(async () => void (log = await openLog()));
  after(() => log.close());

  it('are read from the stream by the CloudEvents SDK as they were written', async () => {
    const topic = await makeTopic(log);
    const wire = log.binding.encode(attributes, Buffer.from(JSON.stringify(data)));
    await log.append(topic, 0, [{ key: 'k', ...wire }], soon());
    const entries = await log.native.commands?.xrange(partitionKeys(topic, 0).log, '-', '+');
    const fields = entries?.[0]?.[1] ?? [];
    const body = fields[fields.indexOf('event') + 1];
    const headers = { 'content-type': 'application/cloudevents+json' };
    const event = HTTP.toEvent({ headers, body }) as CloudEvent<unknown>;
    const { partitionkey, ...known } = attributes;
    const names = Object.keys(known) as (keyof typeof known)[];
    assert.deepEqual(Object.fromEntries(names.map((name) => [name, event[name]])), known);
    assert.equal(event['partitionkey'], partitionkey);
    assert.deepEqual(event.data, data);
  });

  it('of the CloudEvents SDK are read as they were written', async () => {
    const topic = await makeTopic(log);
    const { body } = HTTP.structured(new CloudEvent({ ...attributes, data }));
    await log.native.commands?.xadd(partitionKeys(topic, 0).log, '*', 'event', String(body));
    const [record] = await eventually(
      () => readAll(log, topic),
      (records) => records.length === 1,
    );
    assert.ok(record);
    const read = log.binding.decode(record);
    assert.deepEqual({ ...read.attributes }, attributes);
    assert.deepEqual(JSON.parse(Buffer.from(read.data).toString()), data);
  });
});
