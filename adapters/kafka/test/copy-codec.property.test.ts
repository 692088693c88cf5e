import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeCopy, encodeCopy } from '../src/copy-codec.ts';

const place = { offset: 7, time: 0 };
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('copies of records in a subscription’s own topic', () => {
  it('give the record back as it was, whatever its headers are, and what was said about it', () => {
    for (let round = 0; round < 200; round += 1) {
      const seed = Math.floor(Math.random() * 2 ** 31);
      const count = seed % 7;
      const headers = Object.fromEntries(
        Array.from({ length: count }, (_, index) => [
          `ce_h${index}`,
          `w\u00e9rt-${seed}-${index} \u{1f600}`,
        ]),
      );
      const key = seed % 2 === 0 ? undefined : `key-${seed}`;
      const body = seed % 5 === 0 ? null : bytesOf(`body ${seed}`);
      const marks = { state: `{"n":${seed}}`, due: seed % 3 === 0 ? 0 : seed };
      const copy = encodeCopy({ key, headers, body }, marks);
      // Kafka gives header values as bytes
      const stored = Object.fromEntries(
        Object.entries(copy.headers).map(([name, value]) => [name, bytesOf(value)]),
      );
      const { record, marks: found } = decodeCopy({ ...copy, headers: stored, ...place });
      assert.deepEqual(found, marks, `seed ${seed}`);
      assert.deepEqual(
        [record.key, Object.keys(record.headers), record.body],
        [key, Object.keys(headers), body],
        `seed ${seed}`,
      );
      for (const [name, value] of Object.entries(record.headers))
        assert.equal(new TextDecoder().decode(value as Uint8Array), headers[name], `seed ${seed}`);
    }
  });

  it('replace what an earlier copy said', () => {
    const first = encodeCopy({ key: undefined, headers: {}, body: null }, { state: 'a', due: 1 });
    const second = encodeCopy(first, { state: 'b', due: 2 });
    assert.deepEqual(decodeCopy({ ...second, ...place }).marks, { state: 'b', due: 2 });
  });

  it('of another version are refused, and records that are none', () => {
    const copy = encodeCopy({ key: undefined, headers: {}, body: null }, { state: '', due: 0 });
    for (const headers of [{}, { ...copy.headers, 'duobus-v': '2' }])
      assert.throws(() => decodeCopy({ ...copy, headers, ...place }), { code: 'DUOBUS_DECODE' });
  });
});
