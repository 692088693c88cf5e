import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { createAdapter, memory, type MemoryBroker, schemes } from '../src/index.ts';
import { VirtualClock } from './support/virtual-clock.ts';

const brokerOf = (adapter: {
  readonly queue?: { readonly native: MemoryBroker };
}): MemoryBroker | undefined => adapter.queue?.native;

describe('memory', () => {
  it('shares a broker by name, within the process', () => {
    assert.deepEqual(schemes, ['memory']);
    assert.equal(
      brokerOf(createAdapter({ url: 'memory://one' })),
      brokerOf(memory({ name: 'one' })),
    );
    assert.notEqual(
      brokerOf(createAdapter({ url: 'memory://one' })),
      brokerOf(createAdapter({ url: 'memory://two' })),
    );
    assert.equal(
      brokerOf(createAdapter({ url: 'memory:' })),
      brokerOf(createAdapter({ url: 'memory://' })),
    );
    assert.notEqual(brokerOf(memory()), brokerOf(memory()));
  });

  it('refuses options that it does not know, cannot use or has otherwise', () => {
    assert.throws(() => memory({ maxBytes: 0 }), TypeError);
    assert.throws(() => memory({ colour: 'red' } as never), /unknown option 'colour'/);
    assert.throws(() => memory({ name: '' }), TypeError);
    memory({ name: 'limits', maxBytes: 1_000 });
    assert.doesNotThrow(() => memory({ name: 'limits' }));
    assert.throws(() => memory({ name: 'limits', maxBytes: 2_000 }), /another maxBytes/);
    assert.throws(() => memory({ name: 'limits', clock: new VirtualClock() }), /another clock/);
  });

  it('hands its clock to the runtime where it has one of its own', () => {
    const clock = new VirtualClock();
    assert.equal(memory({ clock }).clock, clock);
    assert.equal(memory().clock, undefined);
  });

  it('keeps the process alive while somebody consumes, and lets it go after close', async () => {
    const program = `
      import { memory } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)};
      const signal = new AbortController().signal;
      const { log } = memory();
      await log.open(signal);
      const topic = await log.ensureTopic({ v: 1, kind: 'data', name: 't', order: 'key', partitions: 1,
        retention: { maxAgeMs: null, maxBytes: null }, compacted: false, incarnation: 'i' }, 'create', signal);
      await log.join(topic, 'g', crypto.randomUUID(), signal);
      setTimeout(() => { console.log('still here'); log.close(); }, 50).unref();`;
    const run = promisify(execFile);
    const { stdout } = await run(
      process.execPath,
      [
        ...process.execArgv.filter((flag) => !flag.startsWith('--test')),
        '--conditions=duobus:source',
        '--input-type=module',
        '-e',
        program,
      ],
      { timeout: 10_000 },
    );
    assert.equal(stdout, 'still here\n');
  });
});
