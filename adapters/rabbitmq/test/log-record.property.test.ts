import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { AmqpMessage } from '../src/client.ts';
import { genesisRecord, isGenesis, logRecord, sendingOf } from '../src/log-record.ts';
import type { Sending } from '../src/publisher.ts';

/** What the broker hands out of what was published. */
const asRead = ({ body, options }: Sending, offset: number): AmqpMessage => ({
  content: body,
  fields: { deliveryTag: 1, redelivered: false },
  properties: { ...options, headers: { ...options.headers, 'x-stream-offset': offset } },
});

const text = fc.string({ maxLength: 20 });
const attributes = fc.dictionary(
  fc.stringMatching(/^[a-z0-9]{1,12}$/).map((name) => `cloudEvents:${name}`),
  text,
);

describe('records of a log', () => {
  it('come back as they were given, with their place and time', () => {
    fc.assert(
      fc.property(
        attributes,
        fc.uint8Array({ maxLength: 50 }),
        fc.option(text, { nil: undefined }),
        fc.nat(),
        (headers, body, key, offset) => {
          const given = { key, headers: { ...headers, 'content-type': 'a/b' }, body };
          const read = logRecord(asRead(sendingOf('queue', given, true, 77), offset), 0);
          assert.deepEqual(
            { ...read, body: new Uint8Array(read.body ?? []) },
            {
              ...given,
              offset,
              time: 77,
            },
          );
        },
      ),
    );
  });

  it('tell a removed key from an empty document', () => {
    for (const body of [null, new Uint8Array()]) {
      const sending = sendingOf('queue', { key: 'k', headers: {}, body }, true, 1);
      assert.equal(logRecord(asRead(sending, 1), 0).body === null, body === null);
    }
  });

  it('of others take the time of the record before', () => {
    const message = asRead(genesisRecord('queue'), 3);
    assert.ok(isGenesis(message));
    const foreign = { ...message, properties: { headers: { 'x-stream-offset': 3 } } };
    assert.equal(logRecord(foreign, 42).time, 42);
  });
});
