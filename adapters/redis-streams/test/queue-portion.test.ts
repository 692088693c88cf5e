import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Portion } from '../src/queue-portion.ts';

const of = (...bytes: number[]) => bytes.map((length) => ({ body: new Uint8Array(length) }));
const megabyte = 1024 * 1024;

describe('Portion', () => {
  it('begins with few, as it does not know how large they are', () => {
    assert.equal(new Portion().records, 50);
  });

  it('asks for many small ones, and for large ones one by one', () => {
    const portion = new Portion();
    portion.weigh(of(100, 200));
    assert.equal(portion.records, 500);
    portion.weigh(of(16 * megabyte));
    assert.equal(portion.records, 1);
  });

  it('asks for more again when they have become smaller', () => {
    const portion = new Portion();
    portion.weigh(of(16 * megabyte));
    for (let read = 0; read < 20; read += 1) portion.weigh(of(100));
    assert.ok(portion.records > 100);
  });

  it('takes documents without a body', () => {
    const portion = new Portion();
    portion.weigh([{ body: null }]);
    assert.equal(portion.records, 500);
  });
});
